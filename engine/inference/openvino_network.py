"""The network that OpenVINO compiles: the exported graph, read once and changed for each size."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from engine.inference.deeplabcut import DeepLabCutExport
from engine.inference.model import ModelError

_CHANNELS = 1  # the axis of channels: OpenVINO orders (image, channel, row, column)
_CONVOLUTIONS = {"Convolution": ops.convolution, "GroupConvolution": ops.group_convolution}


def read_network(core: ov.Core, export: DeepLabCutExport) -> ov.Model:
    """Read the graph with 8-bit images as input, so that they need no conversion before.

    Raises
    ------
    ModelError
        If OpenVINO cannot read it.
    """
    try:
        network = core.read_model(str(export.graph_path))
    except RuntimeError as error:
        told = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(export.graph_path, f"OpenVINO cannot read it ({told})") from error
    if not export.predicts_poses:
        outputs = {name: port for port in network.outputs for name in port.get_names()}
        network = ov.Model(
            [outputs["Sigmoid:0"], outputs["pose/locref_pred/block4/BiasAdd:0"]],
            network.get_parameters(),
        )
    steps = ov.preprocess.PrePostProcessor(network)
    steps.input().tensor().set_element_type(ov.Type.u8)
    network = steps.build()
    fold(network)
    return network


def fold(network: ov.Model) -> None:
    """Compute once, in place, what depends on no image, such as weights times their scales.

    `compile_model` would do it for each size, and hold the results once more: it took twice as
    long, and for a ResNet-50 216 MiB rather than 158. Poses are the same bit for bit.
    """
    try:
        # `openvino.convert_model` does it in public; it takes two seconds and sends telemetry.
        from openvino._offline_transformations import apply_moc_transformations
    except ImportError:  # of another version: slower then
        return
    apply_moc_transformations(network, cf=True)


def limit_indices(network: ov.Model) -> None:
    """Hold indices within the tensors that they are for, in place.

    OpenVINO's GatherND takes what lies at an index without checking that its tensor reaches that
    far: an index that depends on the picture could lead anywhere in the process. All other
    operations with indices check them. Indices within their tensors stay as they are, and so do
    the results of DeepLabCut's networks. The network's input has a fixed shape.

    Raises
    ------
    RuntimeError
        If the shape of such a tensor depends on what is in a picture.
    """
    for layer in network.get_ordered_ops():
        if layer.get_type_name() != "GatherND":
            continue
        indices = layer.input_value(1)
        lengths = layer.get_input_shape(0)
        num_axes = layer.get_input_shape(1)[-1]
        dtype = indices.get_element_type().to_dtype()
        highest = np.array([length - 1 for length in lengths[:num_axes]], dtype)
        limited = ops.minimum(ops.maximum(indices, ops.constant(np.zeros(1, dtype))), highest)
        layer.input(1).replace_source_output(limited.output(0))
    network.validate_nodes_and_infer_types()


def merge_heads(network: ov.Model) -> None:
    """Compute DeepLabCut's output layers as one matrix product, in place.

    Scores and offsets each come from a transposed convolution (3 × 3, stride 2) of the same
    features to a handful of channels. OpenVINO's kernels work on 16 channels at a time, so that 4
    cost as much as 16, and each layer by itself: in a MobileNet they took a third of the time of
    the whole network. Other transposed convolutions stay as they are. The network's input has a
    fixed shape.
    """
    heads: dict[tuple[Any, int], list[Any]] = defaultdict(list)
    for layer in network.get_ordered_ops():
        if layer.get_type_name() != "ConvolutionBackpropData":
            continue
        settings, weights = layer.get_attributes(), layer.input_value(1)
        rows, columns = layer.get_input_shape(0)[2:]
        if (
            settings["strides"] == [2, 2]
            and settings["dilations"] == [1, 1]
            and settings["auto_pad"] == "same_lower"  # OpenVINO's word for TensorFlow's SAME
            and list(weights.get_shape())[2:] == [3, 3]
            and weights.get_node().get_type_name() == "Constant"
            and list(layer.get_output_shape(0))[2:] == [2 * rows, 2 * columns]
        ):
            features = layer.input_value(0)
            heads[features.get_node().get_name(), features.get_index()].append(layer)
    for layers in heads.values():
        weights = [layer.input_value(1).get_node().data for layer in layers]
        merged = np.concatenate(weights, axis=1)
        output = _transposed_convolution(layers[0].input_value(0), merged)
        lengths = np.array([weight.shape[1] for weight in weights])
        parts = ops.variadic_split(output, ops.constant(_CHANNELS), ops.constant(lengths))
        for index, layer in enumerate(layers):
            layer.output(0).replace(parts.output(index))
    network.validate_nodes_and_infer_types()


def _transposed_convolution(features: Any, weights: NDArray[np.float32]) -> Any:
    """Convolve features with weights, float32 (channels in, channels out, 3, 3).

    With stride 2 and the padding that TensorFlow calls SAME, the features at ``(i, j)``, times each
    of 9 taps, are added to the output at ``(2i + row, 2j + column)``. So along both axes
    ``out[2i]`` is tap 0 at i + tap 2 at i - 1, and ``out[2i + 1]`` is tap 1 at i. The taps become
    one 1 × 1 convolution; sums and interleaving touch only the few output channels. Results differ
    in the last bits, as sums are taken in another order.
    """
    channels_in, channels_out = weights.shape[:2]
    taps = weights.transpose(2, 3, 1, 0).reshape(9 * channels_out, channels_in, 1, 1)
    products = ops.split(
        ops.convolution(features, ops.constant(taps), [1, 1], [0, 0], [0, 0], [1, 1]),
        ops.constant(_CHANNELS),
        9,
    )

    def tap(row: int, column: int, down: int = 0, right: int = 0) -> Any:
        cells = products.output(3 * row + column)
        if not down and not right:
            return cells
        before = np.array([0, 0, down, right])
        zero = ops.constant(np.float32(0))
        return ops.pad(cells, ops.constant(before), ops.constant(-before), "constant", zero)

    even_even = ops.add(
        ops.add(tap(0, 0), tap(0, 2, right=1)),
        ops.add(tap(2, 0, down=1), tap(2, 2, down=1, right=1)),
    )
    even_odd = ops.add(tap(0, 1), tap(2, 1, down=1))
    odd_even = ops.add(tap(1, 0), tap(1, 2, right=1))
    phases = ops.concat([even_even, even_odd, odd_even, tap(1, 1)], _CHANNELS)
    return ops.depth_to_space(phases, "blocks_first", 2)


def continue_beyond_edges(network: ov.Model) -> None:
    """Let the convolutions of a network for windows repeat cells beyond cut edges, in place.

    A convolution sees zeros beyond the edges of its picture. Beyond edges that were cut there is
    more of it, mostly background: layer by layer, the outermost cells are repeated there. With 56
    to 80 px around a point, 95 % of the points of three networks came 2 to 20 times nearer to those
    of whole pictures, for 5 to 19 % more time. With less it may be worse: a tail that crosses an
    edge goes on for ever.

    The network gets another input, the last one, float32 of shape (4,): for left, top, right and
    bottom, 1 where the image was cut there and 0 where the picture ends. With zeros alone, all is
    as it was. Its image has a fixed shape; convolutions of cells whose number is not known
    beforehand stay as they are.
    """
    is_cut = ops.parameter([4], ov.Type.f32)
    network.add_parameters([is_cut])
    left, top, right, bottom = (ops.gather(is_cut, [side], 0) for side in range(4))

    @cache  # layers of one size share what their cells are multiplied by
    def mask(before: tuple[int, int], size: tuple[int, int], behind: tuple[int, int]) -> Any:
        middles = [ops.constant(np.ones(length, np.float32)) for length in size]
        rows = ops.concat([top] * before[0] + [middles[0]] + [bottom] * behind[0], 0)
        columns = ops.concat([left] * before[1] + [middles[1]] + [right] * behind[1], 0)
        return ops.multiply(ops.unsqueeze(rows, [1]), ops.unsqueeze(columns, [0]))

    for layer in network.get_ordered_ops():
        convolution = _CONVOLUTIONS.get(layer.get_type_name())
        if convolution is None:
            continue
        settings = layer.get_attributes()
        before, behind = tuple(settings["pads_begin"]), tuple(settings["pads_end"])
        if any(before + behind) and layer.input(0).get_partial_shape().is_static:
            widths = [ops.constant(np.array([0, 0, *cells])) for cells in (before, behind)]
            cells = ops.pad(layer.input_value(0), *widths, "edge")
            size = tuple(layer.get_input_shape(0)[2:])
            cells = ops.multiply(cells, mask(before, size, behind))
            weights, strides = layer.input_value(1), settings["strides"]
            convolved = convolution(cells, weights, strides, [0, 0], [0, 0], settings["dilations"])
            layer.output(0).replace(convolved.output(0))
    network.validate_nodes_and_infer_types()
