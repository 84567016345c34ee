"""How the nodes of a graph are connected: each input there, no cycle, nothing unknown."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from engine.inference.checking.operations import ATTRIBUTE_KINDS, OPERATIONS
from engine.inference.constant import DATA_TYPES
from engine.inference.graph import GraphNode
from engine.inference.graph_error import GraphError
from engine.untrusted.quoting import short

_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]{0,999}")
_INPUT = re.compile(r"(?P<node>[^:^]+)(?::(?P<output>[0-9]{1,4}))?")
_LARGEST_INTEGER = 2**31 - 1
_LONGEST_LIST = 64
_NOTES = {"_class": "list", "_output_shapes": "list", "_gradient_op_type": "s"}
"""Attributes that TensorFlow leaves on any operation and that change no result."""


def in_order(nodes: Sequence[GraphNode]) -> Iterator[tuple[GraphNode, list[tuple[str, int]]]]:
    """Go through the nodes, each behind all of its inputs, with (node, output) of each input.

    Raises
    ------
    GraphError
        If a name is none or used twice, an operation or attribute is none of a network's, an
        input is missing, or nodes wait for each other.
    """
    by_name: dict[str, GraphNode] = {}
    for node in nodes:
        check_node(node)
        if node.name in by_name:
            raise GraphError(f"has two nodes named {short(node.name)}")
        by_name[node.name] = node
    inputs = {node.name: [_input(node, text, by_name) for text in node.inputs] for node in nodes}
    waiting = {name: len(needed) for name, needed in inputs.items()}
    users: dict[str, list[str]] = defaultdict(list)
    for name, needed in inputs.items():
        for source, _ in needed:
            users[source].append(name)
    ready = [node.name for node in nodes if not waiting[node.name]]
    num_done = 0
    while ready:
        name = ready.pop()
        num_done += 1
        yield by_name[name], [(source, output) for source, output in inputs[name] if output >= 0]
        for user in users[name]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    if num_done < len(nodes):
        name = next(name for name, count in waiting.items() if count)
        raise GraphError(f"node {short(name)} takes its own output, over others or directly")


def check_node(node: GraphNode) -> None:
    """Check what can be checked of a node by itself.

    Raises
    ------
    GraphError
        If its name is none, or its operation or an attribute is none of a network's.
    """
    if not _NAME.fullmatch(node.name):
        raise GraphError(f"has a node of the impossible name {short(node.name)}")
    if node.operation not in OPERATIONS:
        raise GraphError(
            f"node {short(node.name)}: the operation {short(node.operation)} cannot be run; "
            "only arithmetic that DeepLabCut's networks are made of is"
        )
    for name, (kind, value) in node.attributes.items():
        if not _is_attribute(node, name, kind, value):
            raise GraphError(
                f"node {short(node.name)}: {node.operation} cannot have an attribute "
                f"{short(name)} of this kind or value"
            )


def _is_attribute(node: GraphNode, name: str, kind: str, value: object) -> bool:
    if name in _NOTES:
        return kind == _NOTES[name]
    if (node.operation, name) == ("IdentityN", "T"):
        return kind == "list"
    if kind != ATTRIBUTE_KINDS.get(name):
        return False
    if kind == "type":
        return value in DATA_TYPES
    if kind == "i":
        return isinstance(value, int) and abs(value) <= _LARGEST_INTEGER
    if kind == "list":
        return _is_list_of_integers(value)
    return True


def _is_list_of_integers(value: object) -> bool:
    fields = value.ListFields()  # type: ignore[attr-defined]  # protobuf's
    if not fields:
        return True
    return (
        len(fields) == 1
        and fields[0][0].name == "i"
        and len(fields[0][1]) <= _LONGEST_LIST
        and all(abs(number) <= _LARGEST_INTEGER for number in fields[0][1])
    )


def _input(node: GraphNode, text: str, by_name: dict[str, GraphNode]) -> tuple[str, int]:
    """Tell which output of which node is meant; -1 for the node's having been run."""
    match = _INPUT.fullmatch(text.removeprefix("^"))
    if match is None or match["node"] not in by_name or (text.startswith("^") and match["output"]):
        raise GraphError(
            f"node {short(node.name)} takes {short(text)}, which is no output of a node"
        )
    return match["node"], -1 if text.startswith("^") else int(match["output"] or 0)
