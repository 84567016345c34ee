"""Whether a graph is safe to give to a runtime, which may crash on one that is not consistent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from engine.inference.checking.call import Call, Tensor
from engine.inference.checking.operations import OPERATIONS
from engine.inference.checking.wiring import in_order
from engine.inference.constant import DATA_TYPES
from engine.inference.graph import GraphNode
from engine.inference.graph_error import GraphError
from engine.untrusted.quoting import short

TRIED_SHAPE = (1, 64, 64, 3)
"""The picture with which a model is tried: small, and large enough for any network."""

_MOST_RANK = 6
_PASSED_ON = ("Const", "Identity", "IdentityN", "StopGradient")
"""These make nothing that was not there before."""


@dataclass(frozen=True)
class _Limits:
    """What a network may take for a picture: as much for each pixel, more for small pictures.

    An EfficientNet-b6, the widest of DeepLabCut's networks, has at most 48 elements for each pixel
    in an output, 200 in those that are kept at a time, and 5,000 in all together. A ResNet-152
    takes 0.7 million products for each pixel.
    """

    num_pixels: int

    @property
    def largest_output(self) -> int:
        return max(2**21, 128 * self.num_pixels)

    @property
    def most_elements_at_a_time(self) -> int:
        return max(2**23, 384 * self.num_pixels)

    @property
    def most_elements(self) -> int:
        return max(2**26, 8192 * self.num_pixels)

    @property
    def most_products(self) -> float:
        return 5e6 * max(4096, self.num_pixels)


def check_graph(nodes: Sequence[GraphNode], image_shape: tuple[int, ...]) -> None:
    """Check that a picture can be followed through the graph; see `follow`.

    Parameters
    ----------
    nodes
        The graph.
    image_shape
        Height, width and channels of the picture.
    """
    follow(nodes, (1, *image_shape))


def follow(
    nodes: Sequence[GraphNode], shape: tuple[int, ...] = TRIED_SHAPE
) -> dict[str, list[Tensor]]:
    """Tell what is known of each node's outputs, given a picture of a shape.

    Raises
    ------
    GraphError
        If an operation is none of a network's, an input, a type or a shape does not fit, nodes
        wait for each other, or the work or memory is more than any network's.
    """
    outputs: dict[str, list[Tensor]] = {}
    uses: dict[str, list[str]] = {}
    weights: set[str] = set()
    size = f"a picture of {shape[2]} x {shape[1]}"
    limits = _Limits(shape[1] * shape[2])
    num_elements, num_products = 0, 0.0
    for node, sources in in_order(nodes):
        inputs = [_output(node, outputs[name], output) for name, output in sources]
        results = _run(node, inputs, shape)
        if node.operation not in _PASSED_ON:
            for tensor in results:
                if len(tensor.shape) > _MOST_RANK or tensor.count > limits.largest_output:
                    raise GraphError(
                        f"node {short(node.name)}: {node.operation} makes {short(tensor.shape)} "
                        f"of {size}; no network does"
                    )
            num_elements += sum(tensor.count for tensor in results)
            num_products += _num_products(node, inputs, results)
        if num_elements > limits.most_elements or num_products > limits.most_products:
            raise GraphError(f"takes more memory or time for {size} than any network")
        outputs[node.name] = results
        uses[node.name] = [name for name, _ in sources]
        if node.operation in _PASSED_ON and weights.issuperset(uses[node.name]):
            weights.add(node.name)
    for name in weights:
        del uses[name]
    if _most_at_a_time(outputs, uses) > limits.most_elements_at_a_time:
        raise GraphError(f"takes more memory for {size} than any network")
    return outputs


def _most_at_a_time(outputs: dict[str, list[Tensor]], uses: dict[str, list[str]]) -> int:
    """Tell how many elements of the nodes of `uses` must be kept at a time, at the most.

    A node comes one step behind the last of those that it uses, all of which stand before it. What
    it gives is kept until the last step at which one that uses it may come.
    """
    step: dict[str, int] = {}
    for name, used in uses.items():
        step[name] = 1 + max((step.get(other, 0) for other in used), default=0)
    num_steps = max(step.values(), default=0)
    latest = dict.fromkeys(step, num_steps)
    kept_until = dict(step)
    changes = [0] * (num_steps + 2)
    for name in reversed(uses):
        for other in uses[name]:
            if other in step:
                latest[other] = min(latest[other], latest[name] - 1)
                kept_until[other] = max(kept_until[other], latest[name])
        count = sum(tensor.count for tensor in outputs[name])
        changes[step[name]] += count
        changes[kept_until[name] + 1] -= count
    return max(accumulate(changes))


def _output(node: GraphNode, tensors: list[Tensor], output: int) -> Tensor:
    if output >= len(tensors):
        raise GraphError(f"node {short(node.name)} takes output {output}, which is not there")
    return tensors[output]


def _run(node: GraphNode, inputs: list[Tensor], shape: tuple[int, ...]) -> list[Tensor]:
    if node.operation in ("Const", "Placeholder"):
        if inputs:
            raise GraphError(f"node {short(node.name)}: {node.operation} takes no inputs")
        return [_constant(node) if node.operation == "Const" else _picture(node, shape)]
    _check_inputs(node, inputs)
    results = OPERATIONS[node.operation].rule(Call(node, inputs))
    return results if isinstance(results, list) else [results]


def _constant(node: GraphNode) -> Tensor:
    constant = node.constant
    claimed = DATA_TYPES.get(node.attributes.get("dtype", ("", 0))[1])
    if constant is None or claimed != constant.dtype:
        raise GraphError(f"constant {short(node.name)} lacks a value of its type")
    return Tensor(constant.dtype, constant.shape, constant.values)


def _picture(node: GraphNode, shape: tuple[int, ...]) -> Tensor:
    claimed = node.attributes.get("shape", ("", None))[1]
    if DATA_TYPES.get(node.attributes.get("dtype", ("", 0))[1]) != np.float32:
        raise GraphError("takes pictures of another type than float32")
    if claimed is not None and not claimed.unknown_rank:
        given = [dim.size for dim in claimed.dim]
        if len(given) != 4 or any(n not in (-1, m) for n, m in zip(given, shape, strict=True)):
            raise GraphError(
                f"takes pictures of the shape {short(given)} alone, not of any size and 3 channels"
            )
    return Tensor(np.dtype(np.float32), shape)


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
