"""The stage that gives every frame its pose."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.inference import ImpossiblePoseError, PendingPoses, PoseModel
from readers import FrameBatch, FrameStatus
from sinks import PoseBatch


class KnownPoses(Protocol):
    """Poses that need no model."""

    def fill(self, batch: FrameBatch, poses: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Write those of the next batch into `poses`; tell of which frames they are."""


class Prediction:
    """Runs the model on every frame that has a picture; the others get x and y NaN, likelihood 0.

    Frames whose poses are `known` from elsewhere get those.

    Where the model works on its own, the next batches are begun before the poses of one are
    waited for: with the last image of a batch, cores would run out of work otherwise.
    """

    def __init__(self, model: PoseModel, known: KnownPoses | None = None) -> None:
        self._model = model
        self._known = known
        self._begun: deque[_BegunBatch] = deque()

    def num_held_batches(self, batch_size: int, image_shape: tuple[int, ...]) -> int:
        """Tell how many batches are held back at the most, where only the last one is shorter."""
        return math.ceil(self._model.images_ahead(image_shape) / batch_size)

    def recall(self, batch: PoseBatch) -> None:
        """Pass over a batch that an earlier run has done: no pose depends on others."""

    def push(self, batch: FrameBatch) -> list[PoseBatch]:
        """Take the next batch; return those whose poses are there, in order."""
        self._begun.append(self._begin(batch))
        most_images_ahead = self._model.images_ahead(batch.images.shape[1:])
        return self._finish_while(
            lambda: self._begun[0].is_ready or self._num_images_ahead() >= most_images_ahead
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
        if self._known is not None:
            is_wanted &= ~self._known.fill(batch, poses)
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
