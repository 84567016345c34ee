"""Operations on each element by itself, and over axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.inference.checking.call import Call, Tensor, known
from engine.inference.constant import DATA_TYPES


def of_same(call: Call) -> Tensor:
    """Give what comes in: constants, and what passes tensors on."""
    return call[0]


_UNARY: Mapping[str, Callable[..., Any]] = {
    "Ceil": np.ceil,
    "Floor": np.floor,
    "Neg": np.negative,
    "Abs": np.abs,
}


def of_unary(call: Call) -> Tensor:
    """Give a number for each number."""
    call.require(call[0].dtype.kind in "if", "takes numbers")
    return known(call, call[0].dtype, call[0].shape, _UNARY.get(call.node.operation))


def of_cast(call: Call) -> Tensor:
    """Give the numbers in another type."""
    dtype = call.data_type("DstT", 0)
    return known(call, dtype, call[0].shape, lambda values: values.astype(dtype))


BINARY: Mapping[str, Callable[..., Any] | None] = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.true_divide,
    "FloorDiv": np.floor_divide,
    "FloorMod": np.mod,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "SquaredDifference": None,
}


def of_binary(call: Call) -> Tensor:
    """Give a number for each pair of numbers, of shapes that NumPy can broadcast."""
    first, second = call.inputs
    call.require(first.dtype.kind in "if", "takes numbers")
    try:
        shape = np.broadcast_shapes(first.shape, second.shape)
    except ValueError:
        call.require(False, "takes shapes that fit each other")
    operation = call.node.operation
    if first.dtype.kind == "i" and operation in ("RealDiv", "FloorDiv", "FloorMod"):
        divisor = second.values
        call.require(
            operation != "RealDiv" and divisor is not None and bool(np.all(divisor > 0)),
            "takes a known integer above 0 as divisor",
        )
    return known(call, first.dtype, shape, BINARY[operation])


def of_several(call: Call) -> list[Tensor]:
    """Give several tensors as they come in."""
    types = call.attribute("T", None)
    call.require(
        types is not None
        and [DATA_TYPES.get(n) for n in types.type] == [t.dtype for t in call.inputs],
        "must be of its inputs' types",
    )
    return list(call.inputs)


def of_reduction(call: Call) -> Tensor:
    """Give one number for all along some axes."""
    call.require(call[0].dtype.kind in "if" and call[0].count > 0, "takes numbers")
    rank = len(call[0].shape)
    axes = {call.checked_axis(axis, rank) for axis in call.integers(1, min(len(call[1].shape), 1))}
    if call.attribute("keep_dims", False):
        shape = tuple(1 if i in axes else n for i, n in enumerate(call[0].shape))
    else:
        shape = tuple(n for i, n in enumerate(call[0].shape) if i not in axes)
    product = call.node.operation == "Prod" and call[0].values is not None
    values = np.prod(call[0].values, axis=tuple(axes)).reshape(shape) if product else None  # type: ignore[arg-type]  # not None
    return Tensor(call[0].dtype, shape, None if values is None else values.astype(call[0].dtype))


def of_largest(call: Call) -> Tensor:
    """Give the index of the largest number along an axis."""
    axis = call.axis(1, len(call[0].shape))
    call.require(call[0].dtype.kind in "if" and call[0].count > 0, "takes numbers")
    dtype = call.data_type("output_type", 9)
    call.require(dtype.kind == "i", "gives integers")
    return Tensor(dtype, call[0].shape[:axis] + call[0].shape[axis + 1 :])
