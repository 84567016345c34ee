"""Whether a graph is safe to give to a runtime, which may crash on one that is not consistent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.inference.checking.call import Call, Tensor
from engine.inference.checking.operations import OPERATIONS
from engine.inference.checking.wiring import in_order
from engine.inference.constant import DATA_TYPES
from engine.inference.graph import GraphNode
from engine.inference.graph_error import GraphError
from engine.wording import short

TRIED_SHAPE = (1, 64, 64, 3)
"""The picture with which a model is tried: small, and large enough for any network."""

# A ResNet-152 makes 6 million elements of such a picture with 3 thousand million products.
_LARGEST_OUTPUT = 2**21
_MOST_ELEMENTS = 2**26
_MOST_PRODUCTS = 20e9
_MOST_RANK = 6
_PASSED_ON = ("Const", "Identity", "IdentityN", "StopGradient")
"""These make nothing that was not there before."""


def check_graph(nodes: Sequence[GraphNode]) -> None:
    """Check that a small picture can be followed through the graph; see `follow`."""
    follow(nodes)


def follow(nodes: Sequence[GraphNode]) -> dict[str, list[Tensor]]:
    """Tell what is known of each node's outputs, given a small picture.

    Raises
    ------
    GraphError
        If an operation is none of a network's, an input, a type or a shape does not fit, nodes
        wait for each other, or the work or memory is more than any network's.
    """
    outputs: dict[str, list[Tensor]] = {}
    num_elements, num_products = 0, 0.0
    for node, sources in in_order(nodes):
        inputs = [_output(node, outputs[name], output) for name, output in sources]
        results = _run(node, inputs)
        if node.operation not in _PASSED_ON:
            for tensor in results:
                if len(tensor.shape) > _MOST_RANK or tensor.count > _LARGEST_OUTPUT:
                    raise GraphError(
                        f"node {short(node.name)}: {node.operation} makes {short(tensor.shape)} "
                        "of a small picture; no network does"
                    )
            num_elements += sum(tensor.count for tensor in results)
            num_products += _num_products(node, inputs, results)
        if num_elements > _MOST_ELEMENTS or num_products > _MOST_PRODUCTS:
            raise GraphError("takes more memory or time for a small picture than any network")
        outputs[node.name] = results
    return outputs


def _output(node: GraphNode, tensors: list[Tensor], output: int) -> Tensor:
    if output >= len(tensors):
        raise GraphError(f"node {short(node.name)} takes output {output}, which is not there")
    return tensors[output]


def _run(node: GraphNode, inputs: list[Tensor]) -> list[Tensor]:
    if node.operation in ("Const", "Placeholder"):
        if inputs:
            raise GraphError(f"node {short(node.name)}: {node.operation} takes no inputs")
        return [_constant(node) if node.operation == "Const" else _picture(node)]
    _check_inputs(node, inputs)
    results = OPERATIONS[node.operation].rule(Call(node, inputs))
    return results if isinstance(results, list) else [results]


def _constant(node: GraphNode) -> Tensor:
    constant = node.constant
    claimed = DATA_TYPES.get(node.attributes.get("dtype", ("", 0))[1])
    if constant is None or claimed != constant.dtype:
        raise GraphError(f"constant {short(node.name)} lacks a value of its type")
    return Tensor(constant.dtype, constant.shape, constant.values)


def _picture(node: GraphNode) -> Tensor:
    shape = node.attributes.get("shape", ("", None))[1]
    if DATA_TYPES.get(node.attributes.get("dtype", ("", 0))[1]) != np.float32:
        raise GraphError("takes pictures of another type than float32")
    if shape is not None and not shape.unknown_rank:
        given = [dim.size for dim in shape.dim]
        if len(given) != 4 or any(
            n not in (-1, m) for n, m in zip(given, TRIED_SHAPE, strict=True)
        ):
            raise GraphError(
                f"takes pictures of the shape {short(given)} alone, not of any size and 3 channels"
            )
    return Tensor(np.dtype(np.float32), TRIED_SHAPE)


def _check_inputs(node: GraphNode, inputs: list[Tensor]) -> None:
    expected: list[str] = []
    for text in OPERATIONS[node.operation].inputs:
        if text == "*":
            expected += ["*"] * len(inputs)
        elif text.startswith("N*"):
            count = node.attributes.get("N", ("", 0))[1]
            expected += [text[2:]] * min(count, len(inputs) + 1)
        else:
            expected.append(text)
    if len(expected) != len(inputs) or not inputs:
        raise GraphError(
            f"node {short(node.name)}: {node.operation} has {len(inputs)} inputs, "
            "which are not as many as it takes"
        )
    for index, (text, tensor) in enumerate(zip(expected, inputs, strict=True)):
        if text == "*":
            continue
        number = 3 if text == "int32" else node.attributes.get(text, ("", 0))[1]
        if DATA_TYPES.get(number) != tensor.dtype:
            raise GraphError(
                f"node {short(node.name)}: {node.operation} takes another type than {tensor.dtype} "
                f"as input {index}"
            )


def _num_products(node: GraphNode, inputs: list[Tensor], results: list[Tensor]) -> float:
    if node.operation == "Conv2DBackpropInput":
        return float(math.prod(inputs[1].shape[:3])) * inputs[2].count
    if node.operation in ("Conv2D", "DepthwiseConv2dNative"):
        per_output = inputs[1].shape[:3] if node.operation == "Conv2D" else inputs[1].shape[:2]
        return float(math.prod(per_output)) * results[0].count
    if node.operation in ("MaxPool", "AvgPool"):
        return float(math.prod(node.attributes["ksize"][1].i)) * results[0].count
    return float(sum(tensor.count for tensor in (*inputs, *results)))
