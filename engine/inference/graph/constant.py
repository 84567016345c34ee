"""The constants of a graph, read only if what they claim agrees with the data that they hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.untrusted.quoting import short

# TensorFlow's numbers of data types, and the fields of values that are not stored as raw bytes.
DATA_TYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
    19: np.dtype(np.float16),
}
_VALUES = {
    1: "float_val",
    2: "double_val",
    3: "int_val",
    4: "int_val",
    9: "int64_val",
    10: "bool_val",
    19: "half_val",
}
_MOST_DIMENSIONS = 8
_LARGEST_BYTES = 64 * 2**20
_SMALL = 1024
"""Constants of as many elements or fewer are kept: shapes and axes are among them."""


class GraphError(ValueError):
    """A graph cannot be used; the message is one line, without its path."""


@dataclass(frozen=True)
class Constant:
    """A constant: its data type and shape, and its values where they are few."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    values: NDArray[Any] | None


def read_constant(name: str, tensor: Any) -> Constant:
    """Check a serialised tensor and read it.

    Raises
    ------
    GraphError
        If its data are not those that its shape and type claim, or it is larger than weights are.
    """
    dtype = DATA_TYPES.get(tensor.dtype)
    if dtype is None:
        raise GraphError(f"constant {short(name)} has data of type {tensor.dtype}, no numbers")
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if (
        tensor.tensor_shape.unknown_rank
        or len(shape) > _MOST_DIMENSIONS
        or min(shape, default=0) < 0
    ):
        raise GraphError(f"constant {short(name)} has the impossible shape {short(shape)}")
    count = math.prod(shape)
    if count * dtype.itemsize > _LARGEST_BYTES:
        raise GraphError(
            f"constant {short(name)} claims the shape {short(shape)}, "
            f"more than {_LARGEST_BYTES // 2**20} MiB"
        )
    content = tensor.tensor_content
    given = getattr(tensor, _VALUES[tensor.dtype])
    if content:
        agrees = len(content) == count * dtype.itemsize and not given
    else:  # the last value stands for all that follow it
        agrees = count == len(given) or 0 < len(given) < count
    if not agrees:
        raise GraphError(
            f"constant {short(name)} claims the shape {short(shape)} of {dtype}, "
            "its data are of another size"
        )
    return Constant(
        dtype, shape, _values(dtype, shape, content, given) if count <= _SMALL else None
    )


def _values(
    dtype: np.dtype[Any], shape: tuple[int, ...], content: bytes, given: Any
) -> NDArray[Any]:
    if content:
        return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    stored = np.uint16 if dtype == np.float16 else dtype
    values = np.array(given, np.int64 if stored == np.uint16 else None).astype(stored).view(dtype)
    count = math.prod(shape)
    every: NDArray[Any] = np.concatenate([values, np.repeat(values[-1:], count - len(values))])
    return every.reshape(shape)
