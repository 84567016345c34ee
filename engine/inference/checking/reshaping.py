"""Operations that change shapes, or choose elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.inference.checking.call import MOST_KNOWN, Call, Tensor, known

_LARGEST_RANGE = 1_000_000
_MOST_RANK = 6


def of_shape(call: Call) -> Tensor:
    """Give the lengths of the axes."""
    dtype = call.data_type("out_type", 3)
    call.require(dtype in (np.int32, np.int64), "gives integers")
    return Tensor(dtype, (len(call[0].shape),), np.array(call[0].shape, dtype))


def _reshaped(call: Call, shape: Sequence[int]) -> Tensor:
    values = None if call[0].values is None else call[0].values.reshape(tuple(shape))
    return Tensor(call[0].dtype, tuple(shape), values)


def of_reshape(call: Call) -> Tensor:
    """Give the same elements in another shape, at most one of whose lengths is left open."""
    shape = call.integers(1)
    call.require(
        shape.count(-1) <= 1 and all(n > 0 or n == -1 for n in shape), "needs lengths above 0"
    )
    rest = math.prod(n for n in shape if n != -1)
    shape = [call[0].count // rest if n == -1 else n for n in shape]
    call.require(math.prod(shape) == call[0].count and call[0].count > 0, "keeps all elements")
    return _reshaped(call, shape)


def of_squeeze(call: Call) -> Tensor:
    """Give the same elements without axes of length 1."""
    attribute, shape = call.attribute("squeeze_dims", None), call[0].shape
    given = list(attribute.i) if attribute else []
    axes = {call.checked_axis(axis, len(shape)) for axis in given}
    axes = axes or {axis for axis, n in enumerate(shape) if n == 1}
    call.require(all(shape[axis] == 1 for axis in axes), "takes away lengths of 1")
    return _reshaped(call, [n for axis, n in enumerate(shape) if axis not in axes])


def of_expand(call: Call) -> Tensor:
    """Give the same elements with one more axis."""
    axis = call.axis(1, len(call[0].shape) + 1)
    return _reshaped(call, [*call[0].shape[:axis], 1, *call[0].shape[axis:]])


def of_transpose(call: Call) -> Tensor:
    """Give the axes in another order."""
    order = call.integers(1)
    call.require(sorted(order) == list(range(len(call[0].shape))), "needs an order of the axes")
    values = None if call[0].values is None else call[0].values.transpose(order)
    return Tensor(call[0].dtype, tuple(call[0].shape[axis] for axis in order), values)


def of_pack(call: Call) -> Tensor:
    """Give tensors joined along a new axis."""
    shape = call[0].shape
    call.require(all(tensor.shape == shape for tensor in call.inputs), "takes equal shapes")
    axis = call.checked_axis(call.attribute("axis", 0), len(shape) + 1)
    result = (*shape[:axis], len(call.inputs), *shape[axis:])
    return known(call, call[0].dtype, result, lambda *values: np.stack(values, axis))


def of_concat(call: Call) -> Tensor:
    """Give tensors joined along an axis they have."""
    parts = call.inputs[:-1]
    rank = len(parts[0].shape)
    axis = call.axis(len(parts), rank)

    def others(tensor: Tensor) -> tuple[int, ...]:
        return tensor.shape[:axis] + tensor.shape[axis + 1 :]

    call.require(
        all(len(part.shape) == rank and others(part) == others(parts[0]) for part in parts),
        "takes shapes that fit each other",
    )
    length = sum(part.shape[axis] for part in parts)
    shape = (*parts[0].shape[:axis], length, *parts[0].shape[axis + 1 :])
    given = Call(call.node, parts)
    return known(given, parts[0].dtype, shape, lambda *values: np.concatenate(values, axis))


def of_strided_slice(call: Call) -> Tensor:
    """Give a part, as Python's ``tensor[a:b:c, d, ..., None]`` does."""
    tensor = call[0]
    begin, end, strides = (call.integers(index) for index in (1, 2, 3))
    call.require(
        len(begin) == len(end) == len(strides) <= 2 * _MOST_RANK and 0 not in strides,
        "needs as many strides as ends and beginnings",
    )
    masks = {
        name: call.attribute(f"{name}_mask", 0)
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    index: list[Any] = []
    for place, (first, last, stride) in enumerate(zip(begin, end, strides, strict=True)):
        bits = {name: bool(mask >> place & 1) for name, mask in masks.items()}
        if bits["ellipsis"]:
            index.append(...)
        elif bits["new_axis"]:
            index.append(None)
        elif bits["shrink_axis"]:
            call.require(stride == 1 and not bits["begin"], "takes single elements by stride 1")
            index.append(first)
        else:
            index.append(
                slice(None if bits["begin"] else first, None if bits["end"] else last, stride)
            )
    # A view of one byte in all the places: it has the shape, and takes no memory.
    source = np.broadcast_to(np.uint8(0), tensor.shape) if tensor.values is None else tensor.values
    try:
        view = source[tuple(index)]
    except IndexError:
        call.require(False, "takes elements that are there")
    call.require(view.size > 0, "takes at least one element")
    return Tensor(tensor.dtype, view.shape, None if tensor.values is None else np.asarray(view))


def of_gather(call: Call) -> Tensor:
    """Give the slices at some indices of an axis."""
    params, indices = call[0], call[1]
    call.require(call.attribute("batch_dims", 0) == 0, "gathers without batch dimensions")
    axis = call.axis(2, len(params.shape))
    _require_indices(call, indices, [params.shape[axis]] if indices.values is not None else None)
    shape = params.shape[:axis] + indices.shape + params.shape[axis + 1 :]
    given = Call(call.node, [params, indices])
    return known(given, params.dtype, shape, lambda values, at: np.take(values, at, axis))


def of_gather_nd(call: Call) -> Tensor:
    """Give the elements at some indices of the first axes."""
    params, indices = call[0], call[1]
    depth = indices.shape[-1] if indices.shape else 0
    call.require(1 <= depth <= len(params.shape), "takes indices of its axes")
    _require_indices(call, indices, None if indices.values is None else params.shape[:depth])
    return Tensor(params.dtype, indices.shape[:-1] + params.shape[depth:])


def _require_indices(call: Call, indices: Tensor, lengths: Sequence[int] | None) -> None:
    call.require(indices.dtype.kind == "i", "takes integers as indices")
    if lengths is not None:
        values = indices.values
        inside = (values >= 0) & (values < np.array(lengths))  # type: ignore[operator]  # known
        call.require(bool(np.all(inside)), "takes elements that are there")


def of_range(call: Call) -> Tensor:
    """Give numbers in equal steps."""
    start, limit, delta = (call.integers(index, 0)[0] for index in range(3))
    call.require(delta != 0, "needs a step")
    numbers = range(start, limit, delta)
    call.require(0 < len(numbers) <= _LARGEST_RANGE, f"gives 1 to {_LARGEST_RANGE} numbers")
    dtype = call[0].dtype
    values = np.array(numbers, dtype) if len(numbers) <= MOST_KNOWN else None
    return Tensor(dtype, (len(numbers),), values)


def of_unravel(call: Call) -> Tensor:
    """Give the indices along each axis for indices of all elements."""
    lengths = call.integers(1)
    call.require(call[0].dtype.kind == "i" and len(call[0].shape) <= 1, "takes integers")
    call.require(bool(lengths) and min(lengths) > 0, "needs lengths above 0")
    return Tensor(call[0].dtype, (len(lengths), *call[0].shape))
