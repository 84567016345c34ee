"""Every frame gets its pose, in order, while the model is already at the frames behind it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.inference import CutSides, PoseModel
from engine.pipeline.prediction import KnownFrames, Prediction
from readers import FrameBatch, FrameStatus
from sinks import PoseBatch
from tests.batches import frame_batch


class Later:
    """Poses that are there when they are asked for, or as soon as the model says so."""

    def __init__(self, poses: NDArray[np.float64]) -> None:
        self.poses = poses
        self.is_ready = False
        self.was_waited_for = False

    def result(self) -> NDArray[np.float64]:
        self.was_waited_for = not self.is_ready
        return self.poses


class WorksAhead(PoseModel):
    """Poses are the first pixel's value; they come only when they are waited for."""

    body_parts = ("a", "b")
    runtime = "none"

    def __init__(self, images_ahead: int) -> None:
        self._images_ahead = images_ahead
        self.begun: list[Later] = []

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.tile(images[:, 0, 0, :1, np.newaxis].astype(float), (1, 2, 3))

    def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> Later:  # noqa: ARG002 -- a model
        self.begun.append(Later(self.predict(images)))
        return self.begun[-1]

    def images_ahead(self, image_shape: tuple[int, ...]) -> int:
        assert image_shape == (4, 6, 3)
        return self._images_ahead

    def close(self) -> None: ...


@given(
    statuses=st.lists(
        st.lists(st.sampled_from(FrameStatus), min_size=1, max_size=5), min_size=1, max_size=12
    ),
    images_ahead=st.integers(0, 12),
)
def test_frames_with_a_picture_get_its_pose_and_all_others_none_in_order(
    statuses: list[list[FrameStatus]], images_ahead: int
) -> None:
    prediction = Prediction(WorksAhead(images_ahead))
    released: list[PoseBatch] = []
    first = 0
    for status in statuses:
        batch = frame_batch(first, len(status))
        batch.status[:] = status
        released += prediction.push(batch)
        first += len(status)
    released += prediction.flush()

    poses = np.concatenate([batch.poses for batch in released])
    expected = np.tile(np.arange(first, dtype=float)[:, None, None], (1, 2, 3))
    expected[np.concatenate(statuses) != FrameStatus.DECODED] = [np.nan, np.nan, 0]
    np.testing.assert_array_equal(poses, expected)


@pytest.mark.parametrize("images_ahead", [0, 1, 7, 8, 9, 20])
@pytest.mark.parametrize("batch_size", [1, 4, 8])
def test_a_batch_is_waited_for_when_enough_images_behind_it_have_begun_and_not_before(
    batch_size: int, images_ahead: int
) -> None:
    model = WorksAhead(images_ahead)
    prediction = Prediction(model)
    num_released = 0
    for number in range(24):
        num_released += len(prediction.push(frame_batch(number * batch_size, batch_size)))
        num_held = number + 1 - num_released

        assert num_held <= prediction.num_held_batches(batch_size, (4, 6, 3))
        assert num_held * batch_size <= max(images_ahead + batch_size - 1, 0)
        assert [begun.was_waited_for for begun in model.begun].count(True) == num_released
    assert num_held == prediction.num_held_batches(batch_size, (4, 6, 3))


def test_poses_that_are_ready_are_not_held_back() -> None:
    model = WorksAhead(1000)
    prediction = Prediction(model)
    assert prediction.push(frame_batch(0, 3)) == []
    model.begun[0].is_ready = True

    released = prediction.push(frame_batch(3, 3))

    assert [batch.frames.first_frame_index for batch in released] == [0]
    assert [batch.frames.first_frame_index for batch in prediction.flush()] == [3]


def test_frames_whose_poses_are_known_are_not_shown_to_the_model() -> None:
    def known(batch: FrameBatch) -> KnownFrames:
        is_known: NDArray[np.bool_] = np.arange(len(batch)) % 2 == 0
        poses = np.full((len(batch), 2, 3), -7.0)
        return KnownFrames(**vars(batch), poses=poses, is_known=is_known)

    model = WorksAhead(0)
    prediction = Prediction(model)

    (batch,) = prediction.push(known(frame_batch(10, 5)))
    (single,) = prediction.push(known(frame_batch(15, 1)))

    np.testing.assert_array_equal(batch.poses[:, 0, 0], [-7, 11, -7, 13, -7])
    np.testing.assert_array_equal(single.poses, np.full((1, 2, 3), -7))
    assert [len(begun.poses) for begun in model.begun] == [2]
