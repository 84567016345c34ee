"""Look into a frozen TensorFlow graph without TensorFlow, whose import takes seconds.

The few fields that matter here are declared below with their numbers in TensorFlow's public
``graph.proto``, ``node_def.proto`` and ``attr_value.proto``; protobuf skips all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

_Field = descriptor_pb2.FieldDescriptorProto


@dataclass(frozen=True)
class GraphNode:
    """One operation of a graph: its name, its kind, and whether it normalises by its batch."""

    name: str
    operation: str
    is_training: bool


def read_graph(data: bytes) -> list[GraphNode]:
    """Read the nodes of a serialised graph, in the file's order.

    Raises
    ------
    ValueError
        If `data` is not a serialised graph.
    """
    graph = _graph_class()()
    try:
        graph.ParseFromString(data)
    except (message.DecodeError, RecursionError) as error:
        raise ValueError("not a TensorFlow graph") from error
    return [
        GraphNode(node.name, node.op, "is_training" in node.attr and node.attr["is_training"].b)
        for node in graph.node
    ]


@cache
def _graph_class() -> type[Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="posestream/graph.proto", package="posestream", syntax="proto3"
    )
    _message(file.message_type.add(), "AttrValue", [("b", 5, _Field.TYPE_BOOL, None)])
    node = file.message_type.add()
    entry = node.nested_type.add()
    entry.options.map_entry = True
    _message(
        entry,
        "AttrEntry",
        [("key", 1, _Field.TYPE_STRING, None), ("value", 2, _Field.TYPE_MESSAGE, "AttrValue")],
    )
    _message(
        node,
        "NodeDef",
        [
            ("name", 1, _Field.TYPE_STRING, None),
            ("op", 2, _Field.TYPE_STRING, None),
            ("attr", 5, _Field.TYPE_MESSAGE, "NodeDef.AttrEntry"),
        ],
    )
    node.field[-1].label = _Field.LABEL_REPEATED
    graph = file.message_type.add()
    _message(graph, "GraphDef", [("node", 1, _Field.TYPE_MESSAGE, "NodeDef")])
    graph.field[-1].label = _Field.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("posestream.GraphDef"))


def _message(
    target: descriptor_pb2.DescriptorProto,
    name: str,
    fields: list[tuple[str, int, Any, str | None]],
) -> None:
    target.name = name
    for field_name, number, kind, type_name in fields:
        field = target.field.add(name=field_name, number=number, type=kind)
        field.label = _Field.LABEL_OPTIONAL
        if type_name is not None:
            field.type_name = f".posestream.{type_name}"
