"""The stage that gives every frame its pose."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from engine.inference import PendingPoses, PoseModel
from readers import FrameBatch, FrameStatus
from sinks import PoseBatch


class Prediction:
    """Runs the model on every frame that has a picture; the others get x and y NaN, likelihood 0.

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
        most_images_ahead = self._model.images_ahead(batch.images.shape[1:])
        ready = []
        while self._begun and (
            self._begun[0].is_ready or self._num_images_ahead() >= most_images_ahead
        ):
            ready.append(self._begun.popleft().finish(len(self._model.body_parts)))
        return ready

    def flush(self) -> list[PoseBatch]:
        """Return the batches that are left at the end of the movie."""
        ready = [begun.finish(len(self._model.body_parts)) for begun in self._begun]
        self._begun.clear()
        return ready

    def _num_images_ahead(self) -> int:
        return sum(len(begun.batch) for begun in self._begun) - len(self._begun[0].batch)

    def _begin(self, batch: FrameBatch) -> _BegunBatch:
        if (batch.status == FrameStatus.DECODED).all():
            return _BegunBatch(batch, self._model.start(batch.images))
        images = batch.images[batch.status == FrameStatus.DECODED]
        return _BegunBatch(batch, self._model.start(images) if len(images) else None)


@dataclass(frozen=True)
class _BegunBatch:
    """A batch, and the poses of its pictures, None without any."""

    batch: FrameBatch
    pending: PendingPoses | None

    @property
    def is_ready(self) -> bool:
        return self.pending is None or self.pending.is_ready

    def finish(self, num_body_parts: int) -> PoseBatch:
        poses = np.full((len(self.batch), num_body_parts, 3), np.nan)
        poses[..., 2] = 0  # where nothing was seen, nothing is likely
        if self.pending is not None:
            poses[self.batch.status == FrameStatus.DECODED] = self.pending.result()
        return PoseBatch(self.batch, poses)
