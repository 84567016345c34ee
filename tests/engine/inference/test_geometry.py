"""How a network looks at a picture is what its poses do when the picture is moved or changed."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.synthetic import MouseMovie
from engine.builtin import MODEL_DIR
from engine.inference import PoseModel, load_model, read_export
from engine.inference.geometry import Geometry, find_geometry
from engine.inference.graph import Constant, GraphNode, read_graph
from tests.exports import BUILT_IN_GRAPH, graph_of
from tests.shared import MODELS, needs_shared

BUILT_IN = Geometry(
    stride_px=16, receptive_field_px=411, multiplications_per_px=3105, alignment_px=16
)


def tf1() -> Any:
    """Import TensorFlow when it is needed: each test process would wait for it at its start."""
    import tensorflow.compat.v1 as tensorflow

    return tensorflow


def test_the_built_in_model() -> None:
    assert read_export(MODEL_DIR).geometry == BUILT_IN


@needs_shared
@pytest.mark.parametrize("flavour", ["", "-scoremaps", "-batch-statistics"])
def test_real_exports_of_both_flavours(flavour: str) -> None:
    four_body_parts_fewer = 4 * 3 * 9 * 1280 // 256  # score and two offsets, by 3 x 3 cells
    assert read_export(MODELS / f"openfield-mobilenet{flavour}").geometry == replace(
        BUILT_IN, multiplications_per_px=3105 - four_body_parts_fewer
    )


def test_multiplications_are_half_the_operations_that_tensorflow_counts_in_convolutions() -> None:
    height, width = 256, 320
    graph = tf1().GraphDef.FromString(BUILT_IN_GRAPH.read_bytes())
    with tf1().Graph().as_default() as imported:
        picture = tf1().placeholder(tf1().float32, [1, height, width, 3])
        tf1().import_graph_def(graph, {"Placeholder:0": picture})
        counted = tf1().profiler.ProfileOptionBuilder.float_operation()
        by_operation = tf1().profiler.profile(
            imported, options={**counted, "output": "none"}, cmd="op"
        )

    multiplications = {}
    while by_operation.children:
        (by_operation,) = by_operation.children
        multiplications[by_operation.name] = by_operation.float_ops / 2 / (height * width)
    in_convolutions = sum(count for name, count in multiplications.items() if "Conv" in name)
    assert round(in_convolutions) == BUILT_IN.multiplications_per_px


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return load_model(read_export(MODEL_DIR), "openvino")


def test_a_picture_moved_by_a_stride_moves_its_pose_by_as_much(model: PoseModel) -> None:
    picture = MouseMovie(seed=3, width=960, height=800, body_length=0.1).image(10)
    at, moved = (
        model.predict(picture[np.newaxis, start : start + 736, start : start + 896].copy())
        for start in (0, BUILT_IN.stride_px)
    )

    is_likely = at[..., 2] > 0.9
    assert is_likely.sum() >= 4
    np.testing.assert_allclose(
        moved[is_likely][:, :2] + BUILT_IN.stride_px, at[is_likely][:, :2], atol=1e-3
    )


@pytest.mark.often(2)
@pytest.mark.parametrize(
    ("cut_off", "is_aligned"), [(16, True), (32, True), (8, False), (1, False)]
)
def test_pictures_of_the_same_remainder_are_sampled_at_the_same_places(
    model: PoseModel, cut_off: int, is_aligned: bool
) -> None:
    picture = MouseMovie(seed=3, width=960, height=800, body_length=0.1).image(10)
    whole = model.predict(picture[np.newaxis])
    cut = model.predict(picture[np.newaxis, :, : 960 - cut_off].copy())

    is_likely = whole[..., 2] > 0.9
    difference = cut[is_likely][:, :2] - whole[is_likely][:, :2]
    assert is_likely.sum() >= 4
    assert np.allclose(difference, 0, atol=1e-3) == is_aligned
    assert (difference < BUILT_IN.alignment_px).all()
    if not is_aligned:
        np.testing.assert_allclose(np.median(difference, axis=0), [cut_off, 0], atol=2)


def graph_with(layer: Callable[[Any], Any]) -> list[GraphNode]:
    with tf1().Graph().as_default() as graph:
        picture = tf1().placeholder(tf1().float32, [None, None, None, 1], name="Placeholder")
        tf1().sigmoid(layer(picture), name="Sigmoid")
    return read_graph(io.BytesIO(graph.as_graph_def().SerializeToString()))


def convolution(side: int, step: int, padding: str = "SAME") -> Callable[[Any], Any]:
    kernel = np.ones((side, side, 1, 1), np.float32)
    return lambda cells: tf1().nn.conv2d(cells, kernel, [1, step, step, 1], padding)


def pooling(side: int, step: int) -> Callable[[Any], Any]:
    return lambda cells: tf1().nn.max_pool2d(cells, side, step, "SAME")


def padded(layer: Callable[[Any], Any], margin: int) -> Callable[[Any], Any]:
    margins = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
    return lambda cells: layer(tf1().pad(cells, margins))


@pytest.mark.often(2)
@pytest.mark.parametrize(
    ("layers", "alignment_px"),
    [
        ([convolution(3, 1)], 1),
        ([convolution(3, 2)], 2),
        ([convolution(1, 2)], 1),
        ([convolution(2, 2)], 1),
        ([convolution(5, 4), convolution(3, 2)], 8),
        ([padded(convolution(7, 2, "VALID"), 3)], 1),
        # As in DeepLabCut's ResNets: of their layers with a stride, only this one is padded so.
        ([padded(convolution(7, 2, "VALID"), 3), pooling(3, 2), pooling(1, 2)], 4),
    ],
)
def test_alignment_is_the_least_period_of_where_cells_lie(
    layers: list[Callable[[Any], Any]], alignment_px: int
) -> None:
    def through(cells: Any) -> Any:
        for layer in layers:
            cells = layer(cells)
        return cells

    # One bright pixel after the other tells which of them a cell in the middle sees.
    def seen_by_a_cell(length: int) -> int:
        pictures = np.eye(length, dtype=np.float32)[:, np.newaxis, :, np.newaxis]
        pictures = np.repeat(pictures, length, axis=1)
        response = np.asarray(through(tf1().constant(pictures)))[:, 4, 4, 0]
        return int(np.flatnonzero(response > 0)[0])

    starts = [seen_by_a_cell(length) for length in range(96, 128)]
    geometry = find_geometry(graph_with(through))

    assert geometry is not None
    assert geometry.alignment_px == alignment_px
    periods = [p for p in range(1, 17) if starts[p:] == starts[:-p]]
    assert periods[0] == alignment_px


def test_what_is_outside_the_receptive_field_changes_nothing(model: PoseModel) -> None:
    picture = MouseMovie(seed=3, width=960, height=800, body_length=0.1).image(10)[np.newaxis]
    before = model.predict(picture)
    part = int(before[0, :, 2].argmax())
    x, y = before[0, part, :2].astype(int)
    # The cell may be some pixels away from the point.
    half = BUILT_IN.receptive_field_px // 2 + BUILT_IN.stride_px
    changed = np.full_like(picture, 128)
    changed[:, max(0, y - half) : y + half, max(0, x - half) : x + half] = picture[
        :, max(0, y - half) : y + half, max(0, x - half) : x + half
    ]
    assert not np.array_equal(changed, picture)

    after = model.predict(changed)

    np.testing.assert_allclose(after[0, part], before[0, part], atol=1e-4)


def nodes_of(*operations: tuple[str, str]) -> list[GraphNode]:
    return read_graph(io.BytesIO(graph_of(list(operations))))


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        nodes_of(("input", "Placeholder")),
        nodes_of(("input", "Placeholder"), ("Sigmoid", "Sigmoid")),
    ],
    ids=["empty", "without score maps", "score maps of nothing"],
)
def test_a_graph_that_does_not_tell(nodes: list[GraphNode]) -> None:
    assert find_geometry(nodes) is None


@pytest.mark.parametrize("operation", ["ResizeBilinear", "Transpose", "Mean"])
def test_an_operation_that_says_nothing_of_places(operation: str) -> None:
    with BUILT_IN_GRAPH.open("rb") as file:
        nodes = read_graph(file)
    last = next(index for index, node in enumerate(nodes) if node.operation == "Sigmoid")
    between = GraphNode("between", operation, nodes[last].inputs)
    sigmoid = GraphNode("Sigmoid", "Sigmoid", ("between",))

    assert find_geometry([*nodes[:last], between, sigmoid]) is None


KERNEL = Constant((3, 3, 1, 1))


@pytest.mark.parametrize(
    ("operation", "inputs", "kernel", "step"),
    [
        ("Conv2D", ("Placeholder", "kernel"), GraphNode("kernel", "Const", constant=KERNEL), 2**60),
        ("Conv2D", ("Placeholder", "kernel"), GraphNode("kernel", "Identity", ("kernel",)), 2),
        ("Conv2D", ("Placeholder",), GraphNode("kernel", "Const", constant=KERNEL), 2),
        ("MaxPool", ("Placeholder",), GraphNode("kernel", "Const", constant=KERNEL), 2**60),
    ],
    ids=["huge step", "kernel of itself", "no kernel", "huge pooling"],
)
def test_an_impossible_layer_has_no_geometry(
    operation: str, inputs: tuple[str, ...], kernel: GraphNode, step: int
) -> None:
    sizes = [1, step, step, 1]
    settings = {"strides": sizes, "ksize": sizes, "padding": b"SAME"}
    layer = GraphNode("layer", operation, inputs, settings)
    last = GraphNode("Sigmoid", "Sigmoid", ("layer",))

    assert find_geometry([GraphNode("Placeholder", "Placeholder"), kernel, layer, last]) is None


def test_strides_that_grow_without_end_are_not_followed() -> None:
    step = [1, 100, 100, 1]
    settings = {"strides": step, "ksize": step, "padding": b"SAME"}
    layers = [
        GraphNode(str(number), "MaxPool", (str(number - 1) if number else "Placeholder",), settings)
        for number in range(19_000)
    ]
    last = GraphNode("Sigmoid", "Sigmoid", (layers[-1].name,))

    assert find_geometry([GraphNode("Placeholder", "Placeholder"), *layers, last]) is None
