"""Frozen TensorFlow graphs, read and checked without TensorFlow, whose import takes seconds.

The fields that matter here are declared below with their numbers in TensorFlow's public
``graph.proto``, ``node_def.proto``, ``attr_value.proto``, ``tensor.proto`` and
``tensor_shape.proto``.

The networks of DeepLabCut 2 hold some forty of TensorFlow's thirteen hundred operations. Arithmetic
and changes of shape are allowed; what reads, writes, remembers, branches or calls is not. Nor may
shapes depend on what is in a picture: all pictures of a size then take the same memory and time,
and a trial with one of them speaks for the others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from numpy.typing import NDArray

from engine.untrusted.quoting import short

_NODE, _LIBRARY, _VERSION, _VERSIONS, _DEBUG_INFO = 0x0A, 0x12, 0x18, 0x22, 0x2A
"""The tags of a graph's fields. After each but the version come a length and as many bytes."""
_MOST_NODES = 20_000
_LARGEST_NODE_BYTES = 64 * 2**20
_MOST_INPUTS = 1000
_DATA_TYPES: dict[int, tuple[np.dtype[Any], str]] = {
    1: (np.dtype(np.float32), "float_val"),
    2: (np.dtype(np.float64), "double_val"),
    3: (np.dtype(np.int32), "int_val"),
    4: (np.dtype(np.uint8), "int_val"),
    9: (np.dtype(np.int64), "int64_val"),
    10: (np.dtype(np.bool_), "bool_val"),
    19: (np.dtype(np.float16), "half_val"),
}
"""By TensorFlow's numbers: the type, and the field of values that are not stored as raw bytes."""
_MOST_DIMENSIONS = 8
_LARGEST_BYTES = 64 * 2**20
_SMALL = 1024
"""Constants of as many elements or fewer are kept: shapes and axes are among them."""
_NAMES = """
Placeholder Const Identity IdentityN StopGradient Relu Relu6 LeakyRelu Elu Selu Sigmoid Tanh
Softplus Exp Log Sqrt Rsqrt Square Neg Abs Ceil Floor Round Cast Add AddV2 Sub Mul RealDiv
FloorDiv FloorMod Maximum Minimum SquaredDifference BiasAdd Conv2D DepthwiseConv2dNative
Conv2DBackpropInput FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 MaxPool AvgPool Mean Sum
Max Min Prod ArgMax Shape Reshape Squeeze ExpandDims Transpose Pack ConcatV2 StridedSlice
GatherV2 GatherNd Range UnravelIndex Pad SpaceToBatchND BatchToSpaceND ResizeBilinear
ResizeNearestNeighbor Tile Fill
"""
_ALLOWED = frozenset(_NAMES.split())
_DECIDE_SHAPES: Mapping[str, slice] = {
    **dict.fromkeys(("Fill", "Conv2DBackpropInput"), slice(0, 1)),
    **dict.fromkeys(("Reshape", "Tile", "Pad", "ExpandDims", "Transpose"), slice(1, 2)),
    **dict.fromkeys(("Mean", "Sum", "Max", "Min", "Prod", "ArgMax"), slice(1, 2)),
    **dict.fromkeys(("ResizeBilinear", "ResizeNearestNeighbor"), slice(1, 2)),
    **dict.fromkeys(("SpaceToBatchND", "BatchToSpaceND", "StridedSlice"), slice(1, None)),
    "GatherV2": slice(2, 3),
    "ConcatV2": slice(-1, None),
    "Range": slice(None),
}
"""Which inputs of an operation decide the shape of its output."""
_DIVISIONS = ("RealDiv", "FloorDiv", "FloorMod")
_INTEGER_TYPES = (3, 4, 9)
"""As TensorFlow numbers them. Dividing such by zero ends the process on some runtimes."""


class GraphError(ValueError):
    """A graph cannot be used; the message is one line, without its path."""


@dataclass(frozen=True)
class Constant:
    """The shape of a constant, and its values where they are few."""

    shape: tuple[int, ...]
    values: NDArray[Any] | None = None


@dataclass(frozen=True)
class GraphNode:
    """One operation of a graph."""

    name: str
    operation: str
    inputs: tuple[str, ...] = ()
    """Names of what it takes: ``name``, ``name:output`` or, for order alone, ``^name``."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Truths, types, numbers and bytes by name; of a list, its first integers; None for others."""
    constant: Constant | None = None

    def square(self, name: str) -> int | None:
        """Read a number, 1 or more, that is the same for height and width.

        None where the attribute is no such list for (batch, height, width, channels).
        """
        match self.attributes.get(name):
            case [_, height, width, _] if height == width and height >= 1:
                return int(height)
        return None


def source(text: str) -> str:
    """Name the node that an input of another comes from."""
    return text.removeprefix("^").split(":")[0]


def read_graph(file: BinaryIO) -> list[GraphNode]:
    """Read the nodes of a serialised graph, in the file's order, one at a time.

    The size of the file costs no memory.

    Raises
    ------
    GraphError
        If it is not a serialised graph, holds functions, or more than a network has.
    """
    nodes: list[GraphNode] = []
    while tag := file.read(1):
        if tag[0] not in (_NODE, _LIBRARY, _VERSION, _VERSIONS, _DEBUG_INFO):
            raise GraphError("is not a frozen TensorFlow graph")
        length = _varint(file)
        if tag[0] == _VERSION:
            continue
        if tag[0] == _LIBRARY and length:
            raise GraphError("holds functions of its own; exports of networks have none")
        if length > _LARGEST_NODE_BYTES:
            raise GraphError(
                f"is not a frozen TensorFlow graph: a node of more than "
                f"{_LARGEST_NODE_BYTES // 2**20} MiB"
            )
        data = file.read(length)
        if len(data) < length:
            raise GraphError("is not a frozen TensorFlow graph, or was cut off")
        if tag[0] == _NODE:
            nodes.append(_node(data))
            if len(nodes) > _MOST_NODES:
                raise GraphError(f"has more than {_MOST_NODES} nodes; no network has")
    return nodes


def _varint(file: BinaryIO) -> int:
    """Read an integer as protobuf writes it: seven bits a byte, the lowest first."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise GraphError("is not a frozen TensorFlow graph, or was cut off")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise GraphError("is not a frozen TensorFlow graph")


def _node(data: bytes) -> GraphNode:
    node = _node_class()()
    try:
        node.ParseFromString(data)
    except (message.DecodeError, RecursionError) as error:
        raise GraphError("is not a frozen TensorFlow graph") from error
    if len(node.input) > _MOST_INPUTS:
        raise GraphError(f"has a node with more than {_MOST_INPUTS} inputs; no network has")
    attributes: dict[str, Any] = {}
    constant = None
    for entry in node.attr:
        kind = entry.value.WhichOneof("value")
        value: Any = getattr(entry.value, kind) if kind else None
        if kind == "tensor" and node.op == "Const" and entry.key == "value":
            try:
                constant = read_constant(value)
            except GraphError as error:
                raise GraphError(f"constant {short(node.name)} {error}") from error
        # A part of the message would keep all of it, the megabytes of weights too.
        attributes[entry.key] = None if kind in ("tensor", "shape") else value
        if kind == "list":
            attributes[entry.key] = value.i[:_SMALL]
    return GraphNode(node.name, node.op, tuple(node.input), attributes, constant)


def read_constant(tensor: Any) -> Constant:
    """Read a serialised tensor.

    Raises
    ------
    GraphError
        If its data are not those that its shape and type claim, or it is larger than weights are.
    """
    if tensor.dtype not in _DATA_TYPES:
        raise GraphError(f"has data of type {tensor.dtype}, no numbers")
    dtype, name = _DATA_TYPES[tensor.dtype]
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    is_possible = len(shape) <= _MOST_DIMENSIONS and min(shape, default=0) >= 0
    if tensor.tensor_shape.unknown_rank or not is_possible:
        raise GraphError(f"has the impossible shape {short(shape)}")
    count = math.prod(shape)
    if count * dtype.itemsize > _LARGEST_BYTES:
        most_mib = _LARGEST_BYTES // 2**20
        raise GraphError(f"claims the shape {short(shape)}, more than {most_mib} MiB")
    content, given = tensor.tensor_content, getattr(tensor, name)
    if content:
        agrees = len(content) == count * dtype.itemsize and not given
    else:  # the last value stands for all that follow it
        agrees = count == len(given) or 0 < len(given) < count
    if not agrees:
        claim = f"claims the shape {short(shape)} of {dtype}"
        raise GraphError(f"{claim}, its data are of another size")
    if count > _SMALL:
        return Constant(shape)
    if content:
        values = np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype)
    else:  # halves as the integers of their 16 bits
        values = np.array(given).astype(np.uint16 if name == "half_val" else dtype).view(dtype)
        values = np.pad(values, (0, count - len(values)), "edge")
    return Constant(shape, values.reshape(shape))


def check_operations(nodes: Sequence[GraphNode]) -> None:
    """Check that a graph only computes, and that its shapes depend on the picture's size alone.

    Raises
    ------
    GraphError
        If two nodes have one name, an operation is not allowed, a shape depends on what is in the
        picture, or integers are divided by what may be zero.
    """
    by_name = {node.name: node for node in nodes}
    if len(by_name) < len(nodes):
        raise GraphError("has two nodes of the same name")
    for node in nodes:
        if node.operation not in _ALLOWED:
            raise GraphError(
                f"node {short(node.name)}: the operation {short(node.operation)} cannot be run; "
                "only arithmetic that DeepLabCut's networks are made of is"
            )
    from_picture = _from_picture(nodes)
    for node in nodes:
        decisive = node.inputs[_DECIDE_SHAPES.get(node.operation, slice(0))]
        if not from_picture.isdisjoint(map(source, decisive)):
            raise GraphError(
                f"node {short(node.name)}: the shape that {node.operation} makes depends on what "
                "is in the picture; no network's does"
            )
        if node.operation in _DIVISIONS and node.attributes.get("T") in _INTEGER_TYPES:
            divisors = [by_name.get(source(text)) for text in node.inputs[1:2]]
            constant = divisors[0].constant if divisors and divisors[0] else None
            if constant is None or constant.values is None or not constant.values.all():
                raise GraphError(
                    f"node {short(node.name)}: {node.operation} divides integers by what may be "
                    "zero"
                )


def _from_picture(nodes: Sequence[GraphNode]) -> set[str]:
    """Name the nodes whose values depend on what is in the picture, not on its size alone."""
    users: dict[str, list[GraphNode]] = defaultdict(list)
    for node in nodes:
        for text in node.inputs:
            users[source(text)].append(node)
    found = {node.name for node in nodes if node.operation == "Placeholder"}
    waiting = list(found)
    while waiting:
        for node in users[waiting.pop()]:
            if node.operation != "Shape" and node.name not in found:
                found.add(node.name)
                waiting.append(node.name)
    return found


# Name, number and type of the fields; * for repeated ones, and ~ for those of which one is given.
_MESSAGES = {
    "Dim": "size 1 int64",
    "TensorShape": "dim 2 *Dim, unknown_rank 3 bool",
    "Tensor": "dtype 1 int32, tensor_shape 2 TensorShape, tensor_content 4 bytes, "
    "float_val 5 *float, double_val 6 *double, int_val 7 *int32, int64_val 10 *int64, "
    "bool_val 11 *bool, half_val 13 *int32",
    "Values": "i 3 *int64",
    # All of its members: the last one that is given ends those before it, as for the runtimes.
    "AttrValue": "list 1 ~Values, s 2 ~bytes, i 3 ~int64, f 4 ~float, b 5 ~bool, type 6 ~int32, "
    "shape 7 ~TensorShape, tensor 8 ~Tensor, placeholder 9 ~bytes, func 10 ~bytes",
    "AttrEntry": "key 1 string, value 2 AttrValue",
    "NodeDef": "name 1 string, op 2 string, input 3 *string, attr 5 *AttrEntry",
}


@cache
def _node_class() -> type[Any]:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="posestream/node.proto", package="posestream", syntax="proto3"
    )
    for message_name, fields in _MESSAGES.items():
        target = file.message_type.add(name=message_name)
        for text in fields.split(", "):
            name, number, kind = text.split()
            added = target.field.add(name=name, number=int(number))
            added.label = kinds.LABEL_REPEATED if kind[0] == "*" else kinds.LABEL_OPTIONAL
            if kind[0] == "~":
                added.oneof_index = 0
                if not target.oneof_decl:
                    target.oneof_decl.add(name="value")
            kind = kind.lstrip("*~")
            if kind in _MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".posestream.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("posestream.NodeDef"))
