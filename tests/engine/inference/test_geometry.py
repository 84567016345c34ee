"""How a network looks at a picture is what its poses do when the picture is moved or changed."""

from __future__ import annotations

import io

import numpy as np
import pytest

from engine.builtin import MODEL_DIR
from engine.inference import PoseModel, load_model, read_export
from engine.inference.geometry import Geometry, find_geometry
from engine.inference.graph import GraphNode, read_graph
from engine.synthetic import MouseMovie
from tests.exports import BUILT_IN_GRAPH, graph_of
from tests.shared import MODELS, needs_shared

BUILT_IN = Geometry(stride_px=16, receptive_field_px=411)


def test_the_built_in_model() -> None:
    assert read_export(MODEL_DIR).geometry == BUILT_IN


@needs_shared
@pytest.mark.parametrize("flavour", ["", "-scoremaps", "-batch-statistics"])
def test_real_exports_of_both_flavours(flavour: str) -> None:
    assert read_export(MODELS / f"openfield-mobilenet{flavour}").geometry == BUILT_IN


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
