"""The operations that a graph may hold, checked before any runtime is given it.

The networks of DeepLabCut 2 hold some forty of TensorFlow's thirteen hundred operations. Arithmetic
and changes of shape are allowed; what reads, writes, remembers, branches or calls is not. Nor may
shapes depend on what is in a picture: all pictures of a size then take the same memory and time,
and a trial with one of them speaks for the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from engine.inference.graph.graph import GraphError, GraphNode, source
from engine.untrusted.quoting import short

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
_INTEGER_TYPES = [("type", number) for number in (3, 4, 9)]
"""As TensorFlow numbers them. Dividing such by zero ends the process on some runtimes."""


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
        if _may_divide_by_zero(node, by_name):
            raise GraphError(
                f"node {short(node.name)}: {node.operation} divides integers by what may be zero"
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


def _may_divide_by_zero(node: GraphNode, by_name: Mapping[str, GraphNode]) -> bool:
    if node.operation not in _DIVISIONS or node.attributes.get("T") not in _INTEGER_TYPES:
        return False
    divisor = by_name.get(source(node.inputs[1])) if len(node.inputs) > 1 else None
    values = None if divisor is None or divisor.constant is None else divisor.constant.values
    return values is None or not np.all(values)
