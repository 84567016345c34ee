"""How a network looks at a picture is what its poses do when the picture is moved or changed."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf1

from engine.builtin import MODEL_DIR
from engine.inference import PoseModel, load_model, read_export
from engine.inference.geometry import Geometry, find_geometry
from engine.inference.graph import GraphNode, read_graph
from engine.synthetic import MouseMovie
from tests.exports import BUILT_IN_GRAPH, graph_of
from tests.shared import MODELS, needs_shared

BUILT_IN = Geometry(stride_px=16, receptive_field_px=411, multiplications_per_px=3105)


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
    graph = tf1.GraphDef.FromString(BUILT_IN_GRAPH.read_bytes())
    with tf1.Graph().as_default() as imported:
        picture = tf1.placeholder(tf1.float32, [1, height, width, 3])
        tf1.import_graph_def(graph, {"Placeholder:0": picture})
        counted = tf1.profiler.ProfileOptionBuilder.float_operation()
        by_operation = tf1.profiler.profile(
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
