"""Let a network see more of the same beyond the edges of a window, rather than nothing.

A convolution sees zeros beyond the edges of its picture. In a window, there is more of the picture
beyond edges that were cut, mostly background like that within: layer by layer, the outermost cells
are repeated there. With 56 to 80 px around a point, 95 % of the points of three networks came 2 to
20 times nearer to those of whole pictures, for 5 to 19 % more time. With less it may be worse: a
tail that crosses an edge goes on for ever. Where a side is the picture's own, zeros stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

_CONVOLUTIONS = {"Convolution": ops.convolution, "GroupConvolution": ops.group_convolution}
_ROWS, _COLUMNS = (1, 3), (0, 2)
"""Places of the sides before and behind in `CutSides`."""


def continue_beyond_edges(network: ov.Model) -> None:
    """Give a network another input, and let its convolutions repeat cells beyond edges, in place.

    The input, the last one, is float32 of shape (4,): for left, top, right and bottom, 1 where the
    image was cut there and 0 where the picture ends. With zeros alone, all is as it was.

    Parameters
    ----------
    network
        The network; its image has a fixed shape. Convolutions of cells whose number is not known
        beforehand stay as they are.
    """
    is_cut = ops.parameter([4], ov.Type.f32)
    network.add_parameters([is_cut])
    masks = _Masks(is_cut)
    for layer in network.get_ordered_ops():
        if layer.get_type_name() in _CONVOLUTIONS and layer.input(0).get_partial_shape().is_static:
            _continue(layer, masks)
    network.validate_nodes_and_infer_types()


class _Masks:
    """Makes what repeated cells are multiplied by: the same for all layers of a size."""

    def __init__(self, is_cut: Any) -> None:
        self._is_cut = is_cut
        self.of = cache(self._of)

    def _of(self, before: tuple[int, int], size: tuple[int, int], behind: tuple[int, int]) -> Any:
        rows, columns = (
            self._line(sides, *numbers)
            for sides, *numbers in zip((_ROWS, _COLUMNS), before, size, behind, strict=True)
        )
        return ops.multiply(ops.unsqueeze(rows, [1]), ops.unsqueeze(columns, [0]))

    def _line(self, sides: tuple[int, int], before: int, length: int, behind: int) -> Any:
        first, last = (ops.gather(self._is_cut, [side], 0) for side in sides)
        middle = ops.constant(np.ones(length, np.float32))
        return ops.concat([first] * before + [middle] + [last] * behind, 0)


def _continue(layer: Any, masks: _Masks) -> None:
    settings = layer.get_attributes()
    before, behind = tuple(settings["pads_begin"]), tuple(settings["pads_end"])
    if not any(before + behind):
        return
    size = tuple(layer.get_input_shape(0)[2:])
    repeated = ops.pad(layer.input_value(0), _all_axes(before), _all_axes(behind), "edge")
    convolution = _CONVOLUTIONS[layer.get_type_name()](
        ops.multiply(repeated, masks.of(before, size, behind)),
        layer.input_value(1),
        settings["strides"],
        [0, 0],
        [0, 0],
        settings["dilations"],
    )
    layer.output(0).replace(convolution.output(0))


def _all_axes(cells: Sequence[int]) -> Any:
    """Widen rows and columns alone of (image, channel, row, column)."""
    return ops.constant(np.array([0, 0, *cells]))
