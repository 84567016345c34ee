"""An operation of a graph, and what is known of what it is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.constant import DATA_TYPES
from engine.inference.graph import GraphNode
from engine.inference.graph_error import GraphError
from engine.untrusted.quoting import short

MOST_KNOWN = 4096
"""Values are followed where they are as many or fewer: shapes, axes and indices are."""


@dataclass(frozen=True)
class Tensor:
    """What is known of an output: its type and shape, and its values where they are few."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    values: NDArray[Any] | None = None

    @property
    def count(self) -> int:
        """Its number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Call:
    """An operation with what it is given."""

    node: GraphNode
    inputs: Sequence[Tensor]

    def __getitem__(self, index: int) -> Tensor:
        return self.inputs[index]

    def require(self, condition: bool, problem: str) -> None:
        """Raise `GraphError` unless a condition holds."""
        if not condition:
            shapes = short([tensor.shape for tensor in self.inputs])
            raise GraphError(
                f"node {short(self.node.name)}: {self.node.operation} {problem}, got {shapes}"
            )

    def of_rank(self, index: int, rank: int) -> Tensor:
        """Return an input that must have as many dimensions."""
        self.require(len(self[index].shape) == rank, f"takes {rank} dimensions as input {index}")
        return self[index]

    def integers(self, index: int, rank: int = 1) -> list[int]:
        """Return the values of an input of integers that must be known beforehand."""
        tensor = self[index]
        self.require(
            tensor.values is not None and tensor.dtype.kind in "iu" and len(tensor.shape) == rank,
            f"needs {'a known integer' if rank == 0 else 'known integers'} as input {index}",
        )
        assert tensor.values is not None  # noqa: S101 -- as was just required
        return [int(value) for value in tensor.values.ravel()]

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute, whose kind has been checked."""
        return self.node.attributes.get(name, ("", default))[1]

    def data_type(self, name: str, default: int) -> np.dtype[Any]:
        """Return an attribute that is a data type."""
        return DATA_TYPES[self.attribute(name, default)]

    def axis(self, index: int, rank: int) -> int:
        """Return an input that is an axis."""
        shape = self[index].shape
        self.require(shape in ((), (1,)), f"takes one axis as input {index}")
        return self.checked_axis(self.integers(index, len(shape))[0], rank)

    def checked_axis(self, axis: int, rank: int) -> int:
        """Return an axis counted from the front."""
        self.require(-rank <= axis < rank, f"has an axis {axis} of {rank}")
        return axis % rank


def known(
    call: Call, dtype: np.dtype[Any], shape: tuple[int, ...], function: Callable[..., Any] | None
) -> Tensor:
    """Compute the values where those of all inputs are known and few."""
    given = [tensor.values for tensor in call.inputs]
    if function is None or any(values is None for values in given) or math.prod(shape) > MOST_KNOWN:
        return Tensor(dtype, shape)
    with np.errstate(all="ignore"):
        values = np.asarray(function(*given)).astype(dtype)
    return Tensor(dtype, shape, values.reshape(shape))
