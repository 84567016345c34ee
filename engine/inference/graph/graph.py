"""The nodes and constants of a frozen TensorFlow graph, read without TensorFlow.

TensorFlow's import takes seconds. Constants are read only if their data agree with their claims.

The fields that matter here are declared below with their numbers in TensorFlow's public
``graph.proto``, ``node_def.proto``, ``attr_value.proto``, ``tensor.proto`` and
``tensor_shape.proto``. A file is read node by node, so that its size costs no memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from numpy.typing import NDArray

from engine.untrusted.quoting import short

_Field = descriptor_pb2.FieldDescriptorProto
_BYTES = 2  # protobuf's wire type of texts, bytes and messages
_NODE, _LIBRARY, _VERSION, _VERSIONS, _DEBUG_INFO = 1, 2, 3, 4, 5  # the fields of a graph
_MOST_NODES = 20_000
_LARGEST_NODE_BYTES = 64 * 2**20
_MOST_INPUTS = 1000
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


@dataclass(frozen=True)
class GraphNode:
    """One operation of a graph.

    Attributes
    ----------
    name, operation
        Its name, and its kind.
    inputs
        Names of what it takes: ``name``, ``name:output`` or, for order alone, ``^name``.
    attributes
        Kind (``"i"``, ``"s"``, ``"list"``... as in ``attr_value.proto``) and value by name,
        without the value of a constant.
    constant
        The value of a constant.
    """

    name: str
    operation: str
    inputs: tuple[str, ...] = ()
    attributes: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    constant: Constant | None = None

    @property
    def is_training(self) -> bool:
        """True if it normalises by its batch."""
        return self.attributes.get("is_training") == ("b", True)

    def numbers(self, name: str) -> list[int] | None:
        """Read an attribute that is a list of integers; None where it is not."""
        kind, value = self.attributes.get(name, ("", None))
        return [int(number) for number in value.i] if kind == "list" else None

    def square(self, name: str) -> int | None:
        """Read a number, 1 or more, that is the same for height and width.

        None where the attribute is no such list for (batch, height, width, channels).
        """
        numbers = self.numbers(name) or []
        is_square = len(numbers) == 4 and numbers[1] == numbers[2] and numbers[1] >= 1
        return numbers[1] if is_square else None


def source(text: str) -> str:
    """Name the node that an input of another comes from."""
    return text.removeprefix("^").split(":")[0]


def read_graph(file: BinaryIO) -> list[GraphNode]:
    """Read the nodes of a serialised graph, in the file's order.

    Raises
    ------
    GraphError
        If it is not a serialised graph, holds functions, or more than a network has.
    """
    nodes: list[GraphNode] = []
    for number, length in _fields(file):
        if number == _LIBRARY and length:
            raise GraphError("holds functions of its own; exports of networks have none")
        data = _take(file, length)
        if number == _NODE:
            nodes.append(_node(data))
            if len(nodes) > _MOST_NODES:
                raise GraphError(f"has more than {_MOST_NODES} nodes; no network has")
    return nodes


def _fields(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Go through the fields of the graph itself: number, and length of what follows."""
    while True:
        tag = _varint(file, may_end=True)
        if tag is None:
            return
        number, wire_type = tag >> 3, tag & 7
        if number == _VERSION and wire_type == 0:
            _varint(file)
            continue
        if wire_type != _BYTES or number not in (_NODE, _LIBRARY, _VERSIONS, _DEBUG_INFO):
            raise GraphError("is not a frozen TensorFlow graph")
        yield number, _varint(file) or 0


def _varint(file: BinaryIO, may_end: bool = False) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            if may_end and shift == 0:
                return None
            raise GraphError("is not a frozen TensorFlow graph, or was cut off")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise GraphError("is not a frozen TensorFlow graph")


def _take(file: BinaryIO, length: int) -> bytes:
    if length > _LARGEST_NODE_BYTES:
        raise GraphError(
            f"is not a frozen TensorFlow graph: a node of more than "
            f"{_LARGEST_NODE_BYTES // 2**20} MiB"
        )
    data = file.read(length)
    if len(data) < length:
        raise GraphError("is not a frozen TensorFlow graph, or was cut off")
    return data


def _node(data: bytes) -> GraphNode:
    node = _node_class()()
    try:
        node.ParseFromString(data)
    except (message.DecodeError, RecursionError) as error:
        raise GraphError("is not a frozen TensorFlow graph") from error
    if len(node.input) > _MOST_INPUTS:
        raise GraphError(f"has a node with more than {_MOST_INPUTS} inputs; no network has")
    attributes: dict[str, tuple[str, Any]] = {}
    constant = None
    for name, attribute in node.attr.items():
        kind = attribute.WhichOneof("value") or ""
        value: Any = getattr(attribute, kind) if kind else None
        if kind == "tensor":
            if node.op == "Const" and name == "value":
                constant = read_constant(node.name, value)
            value = None  # frees the megabytes of weights
        elif kind == "list" and node.op == "Const":
            value = type(value)()  # a part of the message would keep all of it, the weights too
        attributes[name] = kind, value
    return GraphNode(node.name, node.op, tuple(node.input), attributes, constant)


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


# Name, number and type of the fields; * for repeated ones, and ~ for those of which one is given.
_MESSAGES = {
    "Dim": "size 1 int64",
    "TensorShape": "dim 2 *Dim, unknown_rank 3 bool",
    "Tensor": "dtype 1 int32, tensor_shape 2 TensorShape, tensor_content 4 bytes, "
    "float_val 5 *float, double_val 6 *double, int_val 7 *int32, string_val 8 *bytes, "
    "int64_val 10 *int64, bool_val 11 *bool, half_val 13 *int32",
    "Values": "s 2 *bytes, i 3 *int64, f 4 *float, b 5 *bool, type 6 *int32, "
    "shape 7 *TensorShape, tensor 8 *bytes, func 9 *bytes",
    "AttrValue": "list 1 ~Values, s 2 ~bytes, i 3 ~int64, f 4 ~float, b 5 ~bool, type 6 ~int32, "
    "shape 7 ~TensorShape, tensor 8 ~Tensor, placeholder 9 ~bytes, func 10 ~bytes",
    "AttrEntry": "key 1 string, value 2 AttrValue",
    "NodeDef": "name 1 string, op 2 string, input 3 *string, device 4 string, attr 5 *AttrEntry",
}


@cache
def _node_class() -> type[Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="posestream/node.proto", package="posestream", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        if name == "AttrEntry":
            continue  # protobuf wants it within NodeDef
        target = file.message_type.add(name=name)
        if name == "NodeDef":
            entry = target.nested_type.add(name="AttrEntry")
            entry.options.map_entry = True
            _declare(entry, _MESSAGES["AttrEntry"])
        _declare(target, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("posestream.NodeDef"))


def _declare(target: descriptor_pb2.DescriptorProto, fields: str) -> None:
    for text in fields.split(", "):
        name, number, kind = text.split()
        added = target.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
        if kind.startswith("*"):
            added.label = _Field.LABEL_REPEATED
        if kind.startswith("~"):
            if not target.oneof_decl:
                target.oneof_decl.add(name="value")
            added.oneof_index = 0
        kind = kind.lstrip("*~")
        if kind[0].islower():
            added.type = getattr(_Field, f"TYPE_{kind.upper()}")
        else:
            added.type = _Field.TYPE_MESSAGE
            scope = "NodeDef." if kind == "AttrEntry" else ""
            added.type_name = f".posestream.{scope}{kind}"
