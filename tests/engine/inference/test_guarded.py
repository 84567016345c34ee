"""What a model gives is a pose that its picture can have, or the error tells why not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from engine.builtin import MODEL_DIR
from engine.errors import RunError
from engine.inference import (
    Cancelled,
    ImpossiblePoseError,
    ModelError,
    PoseModel,
    read_export,
)
from engine.inference.model import CutSides
from engine.inference.trial import GuardedModel, check_poses

HEIGHT, WIDTH = 48, 64
SHAPE = (HEIGHT, WIDTH, 3)
IMAGES = np.zeros((3, *SHAPE), np.uint8)
NAMES = ("nose", "tail")
CUT = CutSides(left=True, top=False, right=False, bottom=False)


class Gives(PoseModel):
    """A model that gives the same poses of any images, or raises."""

    body_parts = NAMES
    runtime = "none 1.0"

    def __init__(self, answer: NDArray[np.float64] | Exception) -> None:
        self._answer = answer

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer[: len(images)].copy()

    def close(self) -> None: ...


class GivesLater(Gives):
    """The same, but for errors, which come when the poses are waited for."""

    def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> Any:  # noqa: ARG002 -- a model
        class Later:
            is_ready = False

            def result(_) -> NDArray[np.float64]:  # noqa: N805 -- self is the model
                return self.predict(images)

        return Later()


def guarded(answer: NDArray[np.float64] | Exception, kind: type[Gives] = Gives) -> GuardedModel:
    return GuardedModel(kind(answer), read_export(MODEL_DIR))


def poses() -> NDArray[np.float64]:
    return np.tile([WIDTH / 2, HEIGHT / 2, 0.9], (len(IMAGES), len(NAMES), 1))


@pytest.mark.often(8)
@pytest.mark.parametrize(
    ("place", "value"),
    [(place, value) for place in (0, 1, 2) for value in (np.nan, np.inf, -np.inf, 1e28, -1e28)]
    + [(0, -501), (0, WIDTH + 501), (1, -501), (1, HEIGHT + 501), (2, 5), (2, 1.01), (2, -0.01)],
)
@pytest.mark.parametrize("kind", [Gives, GivesLater])
def test_a_pose_that_is_no_pose_is_told_with_its_body_part_and_value(
    place: int, value: float, kind: type[Gives]
) -> None:
    given = poses()
    given[1, 1, place] = value
    model = guarded(given, kind)

    for pending in (model.start(IMAGES), model.start(IMAGES, CUT)):
        with pytest.raises(
            ImpossiblePoseError, match=r"the model places 'tail' at x .*64 x 48"
        ) as e:
            pending.result()
        assert e.value.image == 1
        assert f"{value:.6g}" in str(e.value)
        assert str(e.value).isprintable()


@pytest.mark.parametrize(
    "pose", [(0, 0, 0), (-500, -500, 1), (WIDTH + 500, HEIGHT + 500, 0.5), (1, 2, 1 + 1e-6)]
)
def test_places_in_and_near_the_picture_pass(pose: tuple[float, float, float]) -> None:
    given = poses()
    given[1, 1] = pose

    np.testing.assert_array_equal(guarded(given).predict(IMAGES), given)


@given(arrays(np.float64, (2, 2, 3), elements=st.floats(-2000, 2000) | st.floats()))
def test_what_passes_is_finite_near_the_picture_and_likely_from_0_to_1(
    drawn: NDArray[np.float64],
) -> None:
    try:
        check_poses(drawn, SHAPE, NAMES)
    except ImpossiblePoseError:
        return
    x, y, likelihood = np.moveaxis(drawn, -1, 0)
    assert (np.abs(x - WIDTH / 2) <= WIDTH / 2 + 500).all()
    assert (np.abs(y - HEIGHT / 2) <= HEIGHT / 2 + 500).all()
    assert (np.abs(likelihood - 0.5) <= 0.5001).all()


@pytest.mark.parametrize("kind", [Gives, GivesLater])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        RuntimeError("Exception from src/inference: std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
)
def test_a_lack_of_memory_is_named_with_the_images_that_it_was_for(
    error: Exception, kind: type[Gives]
) -> None:
    with pytest.raises(RunError, match=r"out of memory: .* 3 of 64 x 48 .*--batch-size") as e:
        guarded(error, kind).predict(IMAGES)

    assert isinstance(e.value, MemoryError)  # as `PoseModel.predict` promises
    assert ".pb" not in str(e.value)


@pytest.mark.parametrize("kind", [Gives, GivesLater])
def test_another_failure_is_one_line_that_names_the_model(kind: type[Gives]) -> None:
    with pytest.raises(RunError, match=r"\.pb: the model failed, given 3 of 64 x 48 .*a b") as e:
        guarded(ValueError("a\nb"), kind).predict(IMAGES)
    assert str(e.value).isprintable()


def test_a_model_that_was_closed_is_no_failure() -> None:
    with pytest.raises(Cancelled):
        guarded(Cancelled()).predict(IMAGES)


def test_a_size_is_checked_once_before_the_model_sees_it() -> None:
    seen: list[tuple[int, ...]] = []
    model = GuardedModel(Gives(poses()), read_export(MODEL_DIR), seen.append)

    for images in (IMAGES, IMAGES[:2], IMAGES[:, :32], IMAGES):
        model.predict(images)

    assert seen == [SHAPE, (32, WIDTH, 3)]


def test_a_size_that_is_refused_never_reaches_the_model() -> None:
    def refuse(_: tuple[int, ...]) -> None:
        raise ModelError(MODEL_DIR, "no such size")

    model = GuardedModel(Gives(Cancelled()), read_export(MODEL_DIR), refuse)
    for _ in range(2):
        with pytest.raises(ModelError, match="no such size"):
            model.predict(IMAGES)
