"""The geometry of a network, found in its graph: its strides, and what its cells see."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from engine.inference.graph.constant import Constant
from engine.inference.graph.graph import GraphNode, source

_SAME_PLACE = {
    *("Identity", "Sub", "AddV2", "Add", "BiasAdd", "Mul", "Relu", "Relu6", "Sigmoid", "Cast"),
    *("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Pad"),
}
"""Operations whose result at a place depends on their inputs at that place."""
_CONVOLUTIONS = frozenset({"Conv2D", "DepthwiseConv2dNative"})
_POOLINGS = frozenset({"MaxPool", "AvgPool"})


@dataclass(frozen=True)
class Geometry:
    """The strides of a network and what its cells see of a picture.

    Attributes
    ----------
    stride_px
        Pixels from one cell to the next where the network is coarsest. Pictures that are shifted
        by a multiple of it give poses that are shifted by as much, but for what their edges do.
    receptive_field_px
        Side of the square of pixels that a cell depends on, at the most.
    multiplications_per_px
        How many its convolutions take for each pixel of a picture.
    alignment_px
        Cells lie at the same pixels, counted from the left and the top, in pictures whose sides
        leave the same remainder by it; in others they lie fewer pixels than this beside. Where a
        layer with a stride pads a side by what its length needs, even and odd lengths differ; 1
        where none does.
    """

    stride_px: int
    receptive_field_px: int
    multiplications_per_px: int
    alignment_px: int = 1


@dataclass(frozen=True)
class _Layer:
    """Cells of a layer: how far they are apart, what each sees, and how sparse its kernel is.

    `coarsest_px` and `alignment_px` are as in `Geometry`, up to this layer.
    """

    stride_px: Fraction
    field_px: Fraction
    coarsest_px: Fraction
    alignment_px: Fraction
    dilation: int = 1


def find_geometry(nodes: Sequence[GraphNode]) -> Geometry | None:
    """Find a network's geometry, from its input to its score maps.

    Strides multiply from layer to layer, and a kernel of k cells adds k - 1 strides to what a
    cell sees (Araujo, Norris & Sim, "Computing receptive fields", Distill 2019).

    Parameters
    ----------
    nodes
        The graph, in the order of its file: inputs of a node stand before it.

    Returns
    -------
    Geometry or None
        None where the way to the score maps has operations that say nothing of places, or whose
        strides differ between height and width.
    """
    by_name = {node.name: node for node in nodes}
    layers: dict[str, _Layer] = {}
    multiplications = Fraction(0)
    for node in nodes:
        if node.operation == "Placeholder":
            layers[node.name] = _Layer(Fraction(1), Fraction(1), Fraction(1), Fraction(1))
            continue
        layer = _layer(node, layers, by_name)
        if layer is not None:
            layers[node.name] = layer
            multiplications += _multiplications(node, layer, by_name)
        if node.operation == "Sigmoid":
            return None if layer is None else _geometry(layer, multiplications)
    return None


def _geometry(layer: _Layer, multiplications: Fraction) -> Geometry | None:
    coarsest = layer.coarsest_px
    if coarsest.denominator > 1 or (coarsest / layer.stride_px).denominator > 1:
        return None
    return Geometry(
        int(coarsest), int(layer.field_px), round(multiplications), math.ceil(layer.alignment_px)
    )


def _multiplications(node: GraphNode, layer: _Layer, by_name: Mapping[str, GraphNode]) -> Fraction:
    """Tell how many a convolution takes for each pixel: one for each weight and cell.

    The cells are those of its result, or of its input where it widens that.
    """
    is_widening = node.operation == "Conv2DBackpropInput"
    if not is_widening and node.operation not in _CONVOLUTIONS:
        return Fraction(0)
    kernel = _constant(node.inputs[1], by_name)
    cell_px = layer.stride_px * (_step(node) or 1) if is_widening else layer.stride_px
    return math.prod(kernel.shape) / cell_px**2 if kernel is not None else Fraction(0)


def _layer(
    node: GraphNode, layers: Mapping[str, _Layer], by_name: Mapping[str, GraphNode]
) -> _Layer | None:
    inputs = [layers[name] for text in node.inputs if (name := source(text)) in layers]
    if not inputs:
        return None
    before = _joined(inputs)
    if before is None:
        return None
    if node.operation == "BatchToSpaceND":
        return replace(before, dilation=1)
    if node.operation in _SAME_PLACE:
        return before
    if node.operation == "SpaceToBatchND":
        return _spread(node, before, by_name)
    if node.operation in _CONVOLUTIONS:
        return _narrowed(node, before, _step(node), _kernel_side(node, by_name))
    if node.operation in _POOLINGS:
        return _narrowed(node, before, _step(node), _square(node, "ksize"))
    if node.operation == "Conv2DBackpropInput":
        return _widened(before, _step(node), _kernel_side(node, by_name))
    return None


def _joined(inputs: Sequence[_Layer]) -> _Layer | None:
    if len({layer.stride_px for layer in inputs}) > 1:
        return None
    return _Layer(
        inputs[0].stride_px,
        max(layer.field_px for layer in inputs),
        max(layer.coarsest_px for layer in inputs),
        max(layer.alignment_px for layer in inputs),
        max(layer.dilation for layer in inputs),
    )


def _spread(node: GraphNode, before: _Layer, by_name: Mapping[str, GraphNode]) -> _Layer | None:
    """TensorFlow's way to a dilated convolution: cells far apart are put side by side."""
    block = _constant(node.inputs[1], by_name)
    if block is None or block.values is None or len(set(block.values.ravel())) != 1:
        return None
    dilation = int(block.values.ravel()[0])
    return replace(before, dilation=dilation)


def _narrowed(node: GraphNode, before: _Layer, step: int | None, side: int | None) -> _Layer | None:
    if step is None or side is None:
        return None
    stride_px = before.stride_px * step
    alignment_px = stride_px if _pads_by_length(node, step, side) else Fraction(1)
    return _Layer(
        stride_px,
        before.field_px + (side - 1) * before.dilation * before.stride_px,
        max(before.coarsest_px, stride_px),
        max(before.alignment_px, alignment_px),
        before.dilation,
    )


def _pads_by_length(node: GraphNode, step: int, side: int) -> bool:
    """Tell whether the cells of TensorFlow's SAME begin elsewhere for some lengths of a picture."""
    if node.attributes.get("padding") != ("s", b"SAME"):
        return False
    lengths = range(side, side + step)
    return len({max(0, (-(-n // step) - 1) * step + side - n) // 2 for n in lengths}) > 1


def _widened(before: _Layer, step: int | None, side: int | None) -> _Layer | None:
    if step is None or side is None:
        return None
    num_cells = -(-side // step)  # that reach a place from one side to the other
    field_px = before.field_px + (num_cells - 1) * before.stride_px
    return _Layer(before.stride_px / step, field_px, before.coarsest_px, before.alignment_px)


def _step(node: GraphNode) -> int | None:
    dilations = _numbers(node, "dilations")
    if dilations is not None and set(dilations) != {1}:
        return None
    return _square(node, "strides")


def _square(node: GraphNode, name: str) -> int | None:
    """Read a number that is the same for height and width, of (batch, height, width, channels)."""
    numbers = _numbers(node, name)
    if numbers is None or len(numbers) != 4 or numbers[1] != numbers[2] or numbers[1] < 1:
        return None
    return numbers[1]


def _numbers(node: GraphNode, name: str) -> list[int] | None:
    kind, value = node.attributes.get(name, ("", None))
    return [int(number) for number in value.i] if kind == "list" and value is not None else None


def _kernel_side(node: GraphNode, by_name: Mapping[str, GraphNode]) -> int | None:
    """Side of a square kernel, of shape (height, width, channels, channels)."""
    kernel = _constant(node.inputs[1], by_name)
    if kernel is None or len(kernel.shape) != 4 or kernel.shape[0] != kernel.shape[1]:
        return None
    return kernel.shape[0]


def _constant(text: str, by_name: Mapping[str, GraphNode]) -> Constant | None:
    node = by_name.get(source(text))
    while node is not None and node.operation == "Identity" and node.inputs:
        node = by_name.get(source(node.inputs[0]))
    return None if node is None else node.constant
