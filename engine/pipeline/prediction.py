"""The stage that gives every frame its pose, and what the model saw of each frame."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.inference import ImpossiblePoseError, PendingPoses, PoseModel
from engine.inference.model import ReadyPoses
from readers import FrameBatch, FrameStatus
from sinks import PoseBatch


class Look(IntEnum):
    """The part of a frame that the model saw, and why."""

    WINDOW = 0  # a window around the animal
    LOST = 1  # the whole frame: the animal was not found before, or no longer
    LARGE = 2  # the whole frame: a window would have been nearly as large
    CHECK = 3  # the whole frame, after its window, to compare them
    EDGE = 4  # the whole frame: in the window, a point was near the edge
    UNSEEN = 5  # the whole frame: a body part was not seen, and can be outside the window
    JUMP = 6  # the whole frame: in the window, the pose had jumped
    DISTRUST = 7  # the whole frame: a frame of its batch had failed its check
    KNOWN = 8  # nothing now: the pose comes from a live run
    NOTHING = 9  # nothing: it has no picture


LOOK_DTYPE = np.dtype(
    [
        ("look", "u1"),
        ("is_tracked", "?"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("check_error_px", "<f4"),
    ]
)
"""A row for each frame: a `Look`; whether the recorder's tracker said where; width and height of
the window that was looked at first, 0 without one; and for checks, how far the likely point that is
farthest off was from that of the whole frame, NaN without a likely point."""

Looks = NDArray[np.void]  # shape (frames,), of `LOOK_DTYPE`


@dataclass(frozen=True)
class FollowedBatch(PoseBatch):
    """Poses, and how their frames were looked at: one row for each frame."""

    looks: Looks


def new_looks(num_frames: int, look: Look) -> Looks:
    """Rows for frames that were looked at in one way, without a window."""
    looks = np.zeros(num_frames, LOOK_DTYPE)
    looks["look"] = look
    looks["check_error_px"] = np.nan
    return looks


@dataclass(frozen=True, kw_only=True)
class KnownFrames(FrameBatch):
    """Frames that an earlier run has looked at."""

    poses: NDArray[np.float64]  # shape (frames, body parts, 3), as the model gave them
    is_known: NDArray[np.bool_]
    """Shape (frames,): which of the poses are known; the others are yet to be estimated."""
    looks: Looks | None = None
    """The ways in which the frames were looked at; None where all were looked at whole."""


class Prediction:
    """Runs the model on every frame that has a picture; the others get x and y NaN, likelihood 0.

    `KnownFrames` keep the poses that they have.

    Where the model works on its own, the next batches are begun before the poses of one are
    waited for: with the last image of a batch, cores would run out of work otherwise.
    """

    def __init__(self, model: PoseModel) -> None:
        self._model = model
        # With each batch: which of its poses are still to come, and what they come from.
        self._begun: deque[tuple[PoseBatch, NDArray[np.bool_], PendingPoses]] = deque()

    def num_held_batches(self, batch_size: int, image_shape: tuple[int, ...]) -> int:
        """Tell how many batches are held back at the most, where only the last one is shorter."""
        return math.ceil(self._model.images_ahead(image_shape) / batch_size)

    def push(self, batch: FrameBatch) -> list[PoseBatch]:
        """Take the next batch; return those whose poses are there, in order."""
        poses = np.full((len(batch), len(self._model.body_parts), 3), np.nan)
        poses[..., 2] = 0  # where nothing was seen, nothing is likely
        is_wanted = batch.status == FrameStatus.DECODED
        if isinstance(batch, KnownFrames):
            poses[batch.is_known] = batch.poses[batch.is_known]
            is_wanted &= ~batch.is_known
        images = batch.images if is_wanted.all() else batch.images[is_wanted]
        pending = self._model.start(images) if len(images) else ReadyPoses(poses[is_wanted])
        self._begun.append((PoseBatch(batch, poses), is_wanted, pending))
        image_shape = batch.images.shape[1:]  # of no picture where nothing is left to do

        def may_finish() -> bool:
            (_, _, oldest), *others = self._begun
            return oldest.is_ready or (
                sum(len(begun) for begun, *_ in others) >= self._model.images_ahead(image_shape)
            )

        return self._finish_while(may_finish)

    def flush(self) -> list[PoseBatch]:
        """Return the batches that are left at the end of the movie, before one that fails."""
        return self._finish_while(lambda: True)

    def _finish_while(self, may_finish: Callable[[], bool]) -> list[PoseBatch]:
        """Finish batches in order; one that fails does so when those before have been given."""
        ready: list[PoseBatch] = []
        while self._begun and may_finish():
            batch, is_wanted, pending = self._begun[0]
            try:
                with naming_frame(batch.frames, is_wanted):
                    batch.poses[is_wanted] = pending.result()
            except RunError:
                if ready:
                    break
                raise
            ready.append(batch)
            self._begun.popleft()
        return ready


@contextmanager
def naming_frame(batch: FrameBatch, is_chosen: NDArray[np.bool_]) -> Iterator[None]:
    """Tell of which frame an impossible pose is, where the model was given the chosen ones."""
    try:
        yield
    except ImpossiblePoseError as error:
        frame = batch.first_frame_index + np.flatnonzero(is_chosen)[error.image]
        raise RunError(f"frame {frame}: {error}") from error
