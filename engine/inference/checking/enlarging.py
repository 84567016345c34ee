"""Operations that may give more elements than they take."""

from __future__ import annotations

import math

import numpy as np

from engine.inference.checking.call import Call, Tensor, known

_LARGEST_LENGTH = 1_000_000


def _pairs(call: Call, index: int, count: int) -> list[tuple[int, int]]:
    call.require(call[index].shape == (count, 2), f"needs {count} pairs as input {index}")
    flat = call.integers(index, 2)
    call.require(all(0 <= n <= 4096 for n in flat), "needs lengths from 0 to 4096")
    return list(zip(flat[::2], flat[1::2], strict=True))


def of_pad(call: Call) -> Tensor:
    """Give a tensor with a margin."""
    shape = call[0].shape
    pairs = _pairs(call, 1, len(shape))
    return Tensor(call[0].dtype, tuple(n + sum(pair) for n, pair in zip(shape, pairs, strict=True)))


def _blocks(call: Call) -> list[int]:
    blocks = call.integers(1)
    call.require(
        len(blocks) == 2 and all(1 <= n <= 64 for n in blocks), "needs two lengths from 1 to 64"
    )
    return blocks


def of_space_to_batch(call: Call) -> Tensor:
    """Give the pictures that take every n-th row and column."""
    image, blocks, pairs = call.of_rank(0, 4), _blocks(call), _pairs(call, 2, 2)
    padded = [n + sum(pair) for n, pair in zip(image.shape[1:3], pairs, strict=True)]
    call.require(
        all(n % block == 0 for n, block in zip(padded, blocks, strict=True)), "needs whole blocks"
    )
    size = [n // block for n, block in zip(padded, blocks, strict=True)]
    return Tensor(image.dtype, (image.shape[0] * math.prod(blocks), *size, image.shape[3]))


def of_batch_to_space(call: Call) -> Tensor:
    """Give the picture whose n-th rows and columns these are."""
    image, blocks, pairs = call.of_rank(0, 4), _blocks(call), _pairs(call, 2, 2)
    call.require(image.shape[0] % math.prod(blocks) == 0, "needs whole blocks")
    size = [
        n * block - sum(pair)
        for n, block, pair in zip(image.shape[1:3], blocks, pairs, strict=True)
    ]
    call.require(min(size) > 0, "must leave a picture")
    return Tensor(image.dtype, (image.shape[0] // math.prod(blocks), *size, image.shape[3]))


def of_resize(call: Call) -> Tensor:
    """Give a picture of another size."""
    image, size = call.of_rank(0, 4), call.integers(1)
    call.require(len(size) == 2 and all(1 <= n <= 65_536 for n in size), "needs rows and columns")
    call.require(
        not (
            call.attribute("align_corners", False) and call.attribute("half_pixel_centers", False)
        ),
        "cannot align corners and have half pixel centres",
    )
    # Bilinear resizing gives float32, whatever it is given.
    dtype = np.dtype(np.float32) if call.node.operation == "ResizeBilinear" else image.dtype
    return Tensor(dtype, (image.shape[0], *size, image.shape[3]))


def of_tile(call: Call) -> Tensor:
    """Give a tensor repeated."""
    times, shape = call.integers(1), call[0].shape
    call.require(
        len(times) == len(shape) and all(1 <= n <= _LARGEST_LENGTH for n in times),
        "needs a number above 0 for each axis",
    )
    result = tuple(n * count for n, count in zip(shape, times, strict=True))
    return known(
        Call(call.node, call.inputs[:1]), call[0].dtype, result, lambda v: np.tile(v, times)
    )


def of_fill(call: Call) -> Tensor:
    """Give one value repeated."""
    shape = call.integers(0)
    call.require(all(0 < n <= _LARGEST_LENGTH for n in shape), "needs lengths above 0")
    call.require(call[1].shape == (), "takes one value")
    given = Call(call.node, call.inputs[1:])
    return known(given, call[1].dtype, tuple(shape), lambda value: np.full(shape, value))
