"""Compute DeepLabCut's output layers as one matrix product.

Scores and offsets each come from a transposed convolution (3 × 3, stride 2) of the same features to
a handful of channels. OpenVINO's kernels work on 16 channels at a time, so that 4 cost as much as
16, and each layer by itself: in a MobileNet they took a third of the time of the whole network.

A transposed convolution is a product of the features with each of its 9 taps, and a sum in which
each tap lands on its place in the output. With stride 2 and the padding that TensorFlow calls SAME,
the features at ``(i, j)`` reach the output at ``(2i + row, 2j + column)``, so that ::

    out[2i]     = tap 0 at i  +  tap 2 at i - 1
    out[2i + 1] = tap 1 at i

along both axes. The taps of all layers become one 1 × 1 convolution; sums and interleaving touch
only the few output channels. Results differ in the last bits, as sums are taken in another order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

_CHANNELS = 1  # the axis of channels: OpenVINO orders (image, channel, row, column)


def merge_heads(network: ov.Model) -> None:
    """Replace the transposed convolutions that DeepLabCut's heads are made of, in place.

    Others than those stay as they are. The network's input must have a fixed shape.
    """
    heads: dict[tuple[Any, int], list[Any]] = defaultdict(list)
    for layer in network.get_ordered_ops():
        if _is_head(layer):
            features = layer.input_value(0)
            heads[features.get_node().get_name(), features.get_index()].append(layer)
    for layers in heads.values():
        _merge(layers)
    network.validate_nodes_and_infer_types()


def _is_head(layer: Any) -> bool:
    if layer.get_type_name() != "ConvolutionBackpropData":
        return False
    settings = layer.get_attributes()
    weights = layer.input_value(1)
    rows, columns = layer.get_input_shape(0)[2:]
    return (
        settings["strides"] == [2, 2]
        and settings["dilations"] == [1, 1]
        and settings["auto_pad"] == "same_lower"  # OpenVINO's word for TensorFlow's SAME
        and list(weights.get_shape())[2:] == [3, 3]
        and weights.get_node().get_type_name() == "Constant"
        and list(layer.get_output_shape(0))[2:] == [2 * rows, 2 * columns]
    )


def _merge(layers: Sequence[Any]) -> None:
    weights = [layer.input_value(1).get_node().data for layer in layers]  # (in, out, 3, 3) each
    features = layers[0].input_value(0)
    output = _transposed_convolution(features, np.concatenate(weights, axis=1))
    lengths = np.array([weight.shape[1] for weight in weights])
    parts = ops.variadic_split(output, ops.constant(_CHANNELS), ops.constant(lengths))
    for index, layer in enumerate(layers):
        layer.output(0).replace(parts.output(index))


def _transposed_convolution(features: Any, weights: NDArray[np.float32]) -> Any:
    """Convolve features with weights, float32 (channels in, channels out, 3, 3)."""
    channels_in, channels_out = weights.shape[:2]
    taps = weights.transpose(2, 3, 1, 0).reshape(9 * channels_out, channels_in, 1, 1)
    products = ops.split(
        ops.convolution(features, ops.constant(taps), [1, 1], [0, 0], [0, 0], [1, 1]),
        ops.constant(_CHANNELS),
        9,
    )

    def tap(row: int, column: int) -> Any:
        return products.output(3 * row + column)

    even_even = ops.add(
        ops.add(tap(0, 0), _moved(tap(0, 2), 0, 1)),
        ops.add(_moved(tap(2, 0), 1, 0), _moved(tap(2, 2), 1, 1)),
    )
    even_odd = ops.add(tap(0, 1), _moved(tap(2, 1), 1, 0))
    odd_even = ops.add(tap(1, 0), _moved(tap(1, 2), 0, 1))
    phases = ops.concat([even_even, even_odd, odd_even, tap(1, 1)], _CHANNELS)
    return ops.depth_to_space(phases, "blocks_first", 2)


def _moved(cells: Any, rows: int, columns: int) -> Any:
    """Move cells down and to the right; zeros come in."""
    before = np.array([0, 0, rows, columns])
    return ops.pad(
        cells, ops.constant(before), ops.constant(-before), "constant", ops.constant(np.float32(0))
    )
