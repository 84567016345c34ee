"""Poses in the crop rectangle become poses in the whole frame, for one sink and no other."""

from types import TracebackType
from typing import Self

import numpy as np
import pytest

from engine.runs.job_sinks import InMovieCoordinates
from readers import CropRectangle
from sinks import PoseBatch
from tests.batches import pose_batches


class Notes:
    """A sink that notes what happens to it."""

    def __init__(self) -> None:
        self.batches: list[PoseBatch] = []
        self.entered = False
        self.left_with: BaseException | None = None

    def __enter__(self) -> Self:
        self.entered = True
        return self

    def write(self, batch: PoseBatch) -> None:
        self.batches.append(batch)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.left_with = exc


def test_x_and_y_move_by_the_corner_and_likelihood_and_frames_stay() -> None:
    (batch,) = pose_batches(np.array([[[1.5, 2.5, 0.9]], [[np.nan, np.nan, np.nan]]]), 2)
    notes = Notes()

    with InMovieCoordinates(notes, CropRectangle(40, 20, 100, 50)) as sink:
        sink.write(batch)

    (moved,) = notes.batches
    np.testing.assert_array_equal(moved.poses, [[[41.5, 22.5, 0.9]], [[np.nan] * 3]])
    assert moved.frames is batch.frames
    assert batch.poses[0, 0].tolist() == [1.5, 2.5, 0.9]  # other sinks see this batch too


def test_the_sink_is_entered_and_left_with_the_error() -> None:
    notes = Notes()
    error = RuntimeError("disk full")

    def fail_within() -> None:
        with InMovieCoordinates(notes, CropRectangle(0, 0, 1, 1)):
            assert notes.entered
            raise error

    with pytest.raises(RuntimeError, match="disk full"):
        fail_within()
    assert notes.left_with is error
