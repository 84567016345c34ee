"""The geometry of a network, found in its graph: its strides, and what its cells see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from fractions import Fraction

from engine.inference.graph import Constant, GraphNode, source

_SAME_PLACE = {
    *("Identity", "Sub", "AddV2", "Add", "BiasAdd", "Mul", "Relu", "Relu6", "Sigmoid", "Cast"),
    *("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Pad"),
}
"""Operations whose result at a place depends on their inputs at that place."""
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_WIDENING = "Conv2DBackpropInput"
_POOLINGS = ("MaxPool", "AvgPool")
_LARGEST_PX = 512
"""Networks have strides of 2 to 32 pixels; what lies behind larger or smaller ones is not known."""


@dataclass(frozen=True)
class Geometry:
    """The strides of a network and what its cells see of a picture."""

    stride_px: int
    """From one cell to the next where the network is coarsest. Pictures that are shifted by a
    multiple of it give poses that are shifted by as much, but for what their edges do."""
    receptive_field_px: int
    """Side of the square of pixels that a cell depends on, at the most."""
    multiplications_per_px: int
    """Of its convolutions, for each pixel of a picture."""
    alignment_px: int = 1
    """Cells lie at the same pixels, counted from the left and the top, in pictures whose sides
    leave the same remainder by it; in others they lie fewer pixels than this beside. Where a layer
    with a stride pads a side by what its length needs, even and odd lengths differ; 1 where none
    does."""


@dataclass(frozen=True)
class _Layer:
    """Cells of a layer: how far they are apart, what each sees, and how sparse its kernel is.

    `coarsest_px` and `alignment_px` are as in `Geometry`, up to this layer.
    """

    stride_px: Fraction = Fraction(1)
    field_px: Fraction = Fraction(1)
    coarsest_px: Fraction = Fraction(1)
    alignment_px: Fraction = Fraction(1)
    dilation: int = 1

    def narrowed(self, step: int, side: int, is_same: bool) -> _Layer:
        """Give the layer of a kernel of so many cells, at every so many cells."""
        stride_px = self.stride_px * step
        # The cells of TensorFlow's SAME begin elsewhere for some lengths of a picture.
        lengths = range(side, side + step)
        begins = {max(0, (-(-n // step) - 1) * step + side - n) // 2 for n in lengths}
        return _Layer(
            stride_px,
            self.field_px + (side - 1) * self.dilation * self.stride_px,
            max(self.coarsest_px, stride_px),
            max(self.alignment_px, stride_px if is_same and len(begins) > 1 else Fraction(1)),
            self.dilation,
        )

    def widened(self, step: int, side: int) -> _Layer:
        """Give the layer of a transposed convolution."""
        num_cells = -(-side // step)  # that reach a place from one side to the other
        field_px = self.field_px + (num_cells - 1) * self.stride_px
        return _Layer(self.stride_px / step, field_px, self.coarsest_px, self.alignment_px)


def find_geometry(nodes: Sequence[GraphNode]) -> Geometry | None:
    """Find a network's geometry, from its input to its score maps.

    Strides multiply from layer to layer, and a kernel of k cells adds k - 1 strides to what a
    cell sees (Araujo, Norris & Sim, "Computing receptive fields", Distill 2019).

    `nodes` are in the order of their file: inputs of a node stand before it. None where the way to
    the score maps has operations that say nothing of places, or whose strides differ between
    height and width.
    """
    layers: dict[str, _Layer] = {}
    constants: dict[str, Constant | None] = {}
    multiplications = Fraction(0)
    for node in nodes:
        names = [source(text) for text in node.inputs]
        first, second, *_ = [*map(constants.get, names[:2]), None, None]
        constants[node.name] = first if node.operation == "Identity" else node.constant
        before = [layers[name] for name in names if name in layers]
        layer = _Layer() if node.operation == "Placeholder" else _next(node, before, second)
        if layer is not None:
            layers[node.name] = layer
            if second is not None and node.operation in (*_CONVOLUTIONS, _WIDENING):
                # One for each weight and cell, of its result, or of its input if it widens that.
                cell_px = max(layer.stride_px, before[0].stride_px)
                multiplications += math.prod(second.shape) / cell_px**2
        if node.operation == "Sigmoid":
            if layer is None or layer.coarsest_px % 1 or layer.coarsest_px % layer.stride_px:
                return None
            sides = int(layer.coarsest_px), int(layer.field_px)
            return Geometry(*sides, round(multiplications), math.ceil(layer.alignment_px))
    return None


def _next(node: GraphNode, before: Sequence[_Layer], operand: Constant | None) -> _Layer | None:
    """Give the layer that a node makes of others, where what it does to places is known.

    `operand` is its second input, if that is a constant.
    """
    if len({layer.stride_px for layer in before}) != 1:
        return None
    if not 1 <= before[0].stride_px * _LARGEST_PX <= _LARGEST_PX**2:
        return None
    joined = _Layer(*map(max, zip(*map(astuple, before), strict=True)))
    if node.operation == "BatchToSpaceND":
        return replace(joined, dilation=1)
    if node.operation in _SAME_PLACE:
        return joined
    # TensorFlow's way to a dilated convolution: cells far apart are put side by side.
    if node.operation == "SpaceToBatchND":
        values = None if operand is None else operand.values
        blocks = set() if values is None or values.dtype.kind != "i" else set(values.flat)
        return replace(joined, dilation=int(blocks.pop())) if len(blocks) == 1 else None
    step, side = node.square("strides"), node.square("ksize")
    if node.operation not in _POOLINGS:
        kernel = () if operand is None else operand.shape
        side = kernel[0] if len(kernel) == 4 and kernel[0] == kernel[1] else None
    is_dilated = node.attributes.get("dilations", []) not in ([], [1, 1, 1, 1])
    if step is None or side is None or step > _LARGEST_PX or is_dilated:
        return None
    if node.operation == _WIDENING:
        return joined.widened(step, side)
    is_known = node.operation in (*_CONVOLUTIONS, *_POOLINGS)
    is_same = node.attributes.get("padding") == b"SAME"
    return joined.narrowed(step, side, is_same) if is_known else None
