"""Beyond the edges that were cut, a network sees the outermost cells again and again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino as ov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from openvino import opset13 as ops
from scipy.signal import correlate2d

from benchmarks.synthetic import MouseMovie
from engine.builtin import MODEL_DIR
from engine.follow.window import Grid, Region
from engine.inference import CutSides, PendingPoses, PoseModel, load_model, read_export
from engine.inference.openvino import cpu_core
from engine.inference.openvino_network import continue_beyond_edges

WHOLE = CutSides(left=False, top=False, right=False, bottom=False)
CUT_ALL_AROUND = CutSides(left=True, top=True, right=True, bottom=True)
cut_sides = st.builds(CutSides, st.booleans(), st.booleans(), st.booleans(), st.booleans())


def results(network: ov.Model, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    compiled = cpu_core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(list(inputs))[0])


def convolution(
    kernel: NDArray[np.float32], size: tuple[int, int], step: int, dilation: int, *, grouped: bool
) -> ov.Model:
    """Make a network of one layer, which sees zeros beyond the picture's edges."""
    channels = kernel.shape[0] if grouped else kernel.shape[1]
    picture = ops.parameter([1, channels, *size], ov.Type.f32)
    layer, shape = (
        (ops.group_convolution, (channels, 1, 1, *kernel.shape[2:]))
        if grouped
        else (ops.convolution, kernel.shape)
    )
    weights = ops.constant(kernel.reshape(shape))
    return ov.Model(
        [layer(picture, weights, [step] * 2, [0, 0], [0, 0], [dilation] * 2, "same_upper")],
        [picture],
    )


def padded(cells: NDArray[np.float32], cut: CutSides, room: int) -> NDArray[np.float32]:
    """Repeat the outermost cells where the picture was cut; zeros elsewhere."""
    repeated = np.pad(cells, room, mode="edge")
    if not cut.left:
        repeated[:, :room] = 0
    if not cut.top:
        repeated[:room] = 0
    if not cut.right:
        repeated[:, -room:] = 0
    if not cut.bottom:
        repeated[-room:] = 0
    return repeated


@settings(max_examples=30)
@given(
    size=st.tuples(st.integers(7, 12), st.integers(7, 12)),
    side=st.sampled_from([3, 5, 7]),
    dilation=st.sampled_from([1, 2]),
    grouped=st.booleans(),
    cut=cut_sides,
    seed=st.integers(0, 99),
)
def test_a_layer_gives_what_scipy_gives_on_the_continued_picture(
    size: tuple[int, int], side: int, dilation: int, grouped: bool, cut: CutSides, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    kernel = rng.standard_normal((2, 1 if grouped else 2, side, side), np.float32)
    picture = rng.standard_normal((1, 2, *size), np.float32)
    network = convolution(kernel, size, 1, dilation, grouped=grouped)

    continue_beyond_edges(network)

    room = dilation * (side // 2)
    spread = np.zeros((*kernel.shape[:2], 2 * room + 1, 2 * room + 1), np.float32)
    spread[..., ::dilation, ::dilation] = kernel
    expected = np.zeros((2, *size))
    for out in range(2):
        for number, channel in enumerate([out] if grouped else [0, 1]):
            cells = padded(picture[0, channel], cut, room)
            expected[out] += correlate2d(cells, spread[out, number], mode="valid")
    found = results(network, picture, np.array(cut, np.float32))
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


@settings(max_examples=20)
@given(size=st.tuples(st.integers(7, 12), st.integers(7, 12)), side=st.sampled_from([1, 3, 4, 7]))
def test_with_no_side_cut_a_layer_with_steps_sees_zeros_as_before(
    size: tuple[int, int], side: int
) -> None:
    rng = np.random.default_rng(side)
    kernel = rng.standard_normal((2, 2, side, side), np.float32)
    picture = rng.standard_normal((1, 2, *size), np.float32)
    before = results(convolution(kernel, size, 2, 1, grouped=False), picture)
    network = convolution(kernel, size, 2, 1, grouped=False)

    continue_beyond_edges(network)

    found = results(network, picture, np.array(WHOLE, np.float32))
    np.testing.assert_allclose(found, before, atol=1e-5)


def test_a_layer_whose_cells_are_not_counted_beforehand_stays_as_it_is() -> None:
    kernel = np.ones((1, 1, 3, 3), np.float32)
    picture = ops.parameter([1, 1, -1, -1], ov.Type.f32)
    layer = ops.convolution(
        picture, ops.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1], "same_upper"
    )
    network = ov.Model([layer], [picture])

    continue_beyond_edges(network)

    shown = np.ones((1, 1, 4, 4), np.float32)
    found = results(network, shown, np.ones(4, np.float32))
    assert found[0, 0, 0].tolist() == [4, 6, 6, 4]


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return load_model(read_export(MODEL_DIR), "openvino", num_sizes=4, continues_windows=True)


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.uint8]:
    movie = MouseMovie(500_000, 768, 640, look="infrared", body_length=0.16)
    return np.stack([movie.image(37 * index) for index in range(6)])


def test_a_whole_picture_taken_for_a_window_has_the_same_poses(
    model: PoseModel, pictures: NDArray[np.uint8]
) -> None:
    np.testing.assert_allclose(
        model.start(pictures, WHOLE).result(), model.predict(pictures), atol=1e-3
    )


def errors_px(
    pictures: NDArray[np.uint8],
    whole: NDArray[np.float64],
    start: Callable[[NDArray[np.uint8], CutSides], PendingPoses],
) -> NDArray[np.float64]:
    """Tell how far points in tight windows are from those of whole pictures."""
    grid = Grid(pictures.shape[2], pictures.shape[1], 16, 1, 1)
    found = []
    for picture, pose in zip(pictures, whole, strict=True):
        region = Region(*pose[:, :2].min(axis=0), *pose[:, :2].max(axis=0)).widened(48)
        window = grid.window(region, [])
        assert window is not None
        (points,) = start(
            np.ascontiguousarray(window.cut(picture[np.newaxis])), grid.cut_sides(window)
        ).result()
        found.append(np.hypot(*(points[:, :2] + (window.left, window.top) - pose[:, :2]).T))
    return np.concatenate(found)


@pytest.mark.slow
def test_points_in_windows_come_nearer_to_those_of_whole_pictures(
    model: PoseModel, pictures: NDArray[np.uint8]
) -> None:
    whole = model.predict(pictures)

    zeros = errors_px(pictures, whole, lambda window, _: model.start(window))
    continued = errors_px(pictures, whole, model.start)

    assert np.percentile(continued, 90) < 0.6 * np.percentile(zeros, 90)
    assert np.median(continued) < 0.9 * np.median(zeros)


def test_unless_it_is_asked_to_a_network_sees_zeros_beyond_a_windows_edges(
    pictures: NDArray[np.uint8],
) -> None:
    model = load_model(read_export(MODEL_DIR), "openvino", num_sizes=4)
    window = np.ascontiguousarray(pictures[:1, 64:256, 64:256])

    np.testing.assert_array_equal(
        model.start(window, CUT_ALL_AROUND).result(), model.predict(window)
    )


def test_tensorflow_sees_zeros_beyond_every_edge(pictures: NDArray[np.uint8]) -> None:
    model = load_model(read_export(MODEL_DIR), "tensorflow", continues_windows=True)
    window = np.ascontiguousarray(pictures[:1, 64:256, 64:256])

    np.testing.assert_array_equal(
        model.start(window, CUT_ALL_AROUND).result(), model.predict(window)
    )
