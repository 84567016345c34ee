"""Merged heads compute what the graph says, as OpenVINO computes it unmerged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from engine.builtin import MODEL_DIR
from engine.inference import read_export
from engine.inference.openvino import cpu_core
from engine.inference.openvino_network import merge_heads
from tests.shared import MODELS, needs_shared


def outputs(network: ov.Model, images: NDArray[Any]) -> list[NDArray[np.float32]]:
    compiled = cpu_core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return list(compiled(images).values())


def kinds(network: ov.Model) -> list[str]:
    return [layer.get_type_name() for layer in network.get_ordered_ops()]


def heads(
    channels: Sequence[int], *, kernel: int = 3, stride: int = 2, cells: tuple[int, int] = (5, 7)
) -> ov.Model:
    """Build transposed convolutions of one parameter, as OpenVINO reads them from TensorFlow."""
    random = np.random.default_rng(0)
    features = ops.parameter([1, 6, *cells], np.float32)
    shape = ops.constant(np.array(cells) * stride)
    layers = [
        ops.convolution_backprop_data(
            features,
            ops.constant(random.normal(size=(6, count, kernel, kernel)).astype(np.float32)),
            [stride, stride],
            output_shape=shape,
            auto_pad="same_lower",
        )
        for count in channels
    ]
    return ov.Model(layers, [features])


@pytest.mark.parametrize("channels", [[4], [4, 8], [8, 16, 30]])
@pytest.mark.parametrize("cells", [(1, 1), (1, 4), (5, 7)])
def test_any_number_of_heads_is_merged(channels: list[int], cells: tuple[int, int]) -> None:
    features = np.random.default_rng(1).normal(size=(1, 6, *cells)).astype(np.float32)
    plain, merged = heads(channels, cells=cells), heads(channels, cells=cells)

    merge_heads(merged)

    assert kinds(merged).count("ConvolutionBackpropData") == 0
    assert kinds(merged).count("Convolution") == 1
    for ours, expected in zip(outputs(merged, features), outputs(plain, features), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (3, 1), (2, 2)])
def test_other_transposed_convolutions_stay_as_they_are(kernel: int, stride: int) -> None:
    network = heads([4, 8], kernel=kernel, stride=stride)
    before = kinds(network)

    merge_heads(network)

    assert kinds(network) == before


@pytest.mark.often(2)
@pytest.mark.parametrize("size", [(64, 64), (101, 67)])
@pytest.mark.parametrize(
    "folder",
    [
        MODEL_DIR,
        pytest.param(MODELS / "openfield-mobilenet", marks=needs_shared),
        pytest.param(MODELS / "openfield-mobilenet-scoremaps", marks=needs_shared),
    ],
    ids=lambda folder: folder.name,
)
def test_exported_models_have_heads_that_can_be_merged(folder: Path, size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, *size, 3)).astype(np.float32)
    plain, merged = (cpu_core().read_model(str(read_export(folder).graph_path)) for _ in range(2))
    for network in (plain, merged):
        network.reshape([1, *size, 3])

    merge_heads(merged)

    assert kinds(plain).count("ConvolutionBackpropData") == 2
    assert kinds(merged).count("ConvolutionBackpropData") == 0
    for ours, expected in zip(outputs(merged, images), outputs(plain, images), strict=True):
        np.testing.assert_allclose(ours, expected, atol=2e-4)
