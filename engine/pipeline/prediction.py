"""The stage that gives every frame its pose."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.inference import ImpossiblePoseError, PendingPoses, PoseModel
from engine.pipeline.views import Looks
from readers import FrameBatch, FrameStatus
from sinks import PoseBatch


@dataclass(frozen=True, kw_only=True)
class KnownFrames(FrameBatch):
    """Frames that an earlier run has looked at.

    Attributes
    ----------
    poses
        float64, shape (frames, body parts, 3): their poses, as the model gave them.
    is_known
        bool, shape (frames,): which of the poses are known; the others are yet to be estimated.
    looks
        How the frames were looked at; None where all were looked at whole.
    """

    poses: NDArray[np.float64]
    is_known: NDArray[np.bool_]
    looks: Looks | None = None


class Prediction:
    """Runs the model on every frame that has a picture; the others get x and y NaN, likelihood 0.

    `KnownFrames` keep the poses that they have.

    Where the model works on its own, the next batches are begun before the poses of one are
    waited for: with the last image of a batch, cores would run out of work otherwise.
    """

    def __init__(self, model: PoseModel) -> None:
        self._model = model
        self._begun: deque[_BegunBatch] = deque()

    def num_held_batches(self, batch_size: int, image_shape: tuple[int, ...]) -> int:
        """Tell how many batches are held back at the most, where only the last one is shorter."""
        return math.ceil(self._model.images_ahead(image_shape) / batch_size)

    def push(self, batch: FrameBatch) -> list[PoseBatch]:
        """Take the next batch; return those whose poses are there, in order."""
        self._begun.append(self._begin(batch))
        image_shape = batch.images.shape[1:]  # of no picture where nothing is left to do
        return self._finish_while(
            lambda: (
                self._begun[0].is_ready
                or self._num_images_ahead() >= self._model.images_ahead(image_shape)
            )
        )

    def flush(self) -> list[PoseBatch]:
        """Return the batches that are left at the end of the movie, before one that fails."""
        return self._finish_while(lambda: True)

    def _finish_while(self, may_finish: Callable[[], bool]) -> list[PoseBatch]:
        """Finish batches in order; one that fails does so when those before have been given."""
        ready: list[PoseBatch] = []
        while self._begun and may_finish():
            try:
                ready.append(self._begun[0].finish())
            except RunError:
                if ready:
                    break
                raise
            self._begun.popleft()
        return ready

    def _num_images_ahead(self) -> int:
        return sum(len(begun.batch) for begun in self._begun) - len(self._begun[0].batch)

    def _begin(self, batch: FrameBatch) -> _BegunBatch:
        poses = np.full((len(batch), len(self._model.body_parts), 3), np.nan)
        poses[..., 2] = 0  # where nothing was seen, nothing is likely
        is_wanted = batch.status == FrameStatus.DECODED
        if isinstance(batch, KnownFrames):
            poses[batch.is_known] = batch.poses[batch.is_known]
            is_wanted &= ~batch.is_known
        images = batch.images if is_wanted.all() else batch.images[is_wanted]
        pending = self._model.start(images) if len(images) else None
        return _BegunBatch(batch, poses, is_wanted, pending)


@dataclass(frozen=True)
class _BegunBatch:
    """A batch, its poses, which of them are still to come, and what they come from."""

    batch: FrameBatch
    poses: NDArray[np.float64]
    is_wanted: NDArray[np.bool_]
    pending: PendingPoses | None

    @property
    def is_ready(self) -> bool:
        return self.pending is None or self.pending.is_ready

    def finish(self) -> PoseBatch:
        if self.pending is not None:
            with naming_frame(self.batch, self.is_wanted):
                self.poses[self.is_wanted] = self.pending.result()
        return PoseBatch(self.batch, self.poses)


@contextmanager
def naming_frame(batch: FrameBatch, is_chosen: NDArray[np.bool_]) -> Iterator[None]:
    """Tell of which frame an impossible pose is, where the model was given the chosen ones."""
    try:
        yield
    except ImpossiblePoseError as error:
        frame = batch.first_frame_index + np.flatnonzero(is_chosen)[error.image]
        raise RunError(f"frame {frame}: {error}") from error
