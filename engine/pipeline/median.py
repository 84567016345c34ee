"""A centred median filter over poses that come batch by batch."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from engine.pipeline.sliding_median import medians
from sinks import PoseBatch


class MedianFilter:
    """Filters x and y of each body part over time; likelihood is left alone.

    Equal to ``scipy.signal.medfilt`` over the whole movie, bit for bit, where no pose of the window
    is missing: the window is centred, and the movie is taken to be surrounded by zeros. To see
    ``window_length // 2`` frames ahead, batches are held back, with their frames, until the frames
    behind them have come.

    Missing poses (NaN) stay missing, and windows that hold one take the median of the movie's
    values that are there (the mean of the middle two where their number is even), without zeros.

    Parameters
    ----------
    window_length
        Odd number of frames; 1 leaves everything as it is.
    """

    def __init__(self, window_length: int) -> None:
        self._half = window_length // 2
        self._held: deque[PoseBatch] = deque()
        self._num_held_frames = 0
        self._num_released_frames = 0
        # Coordinates from `half` frames before the first held frame to the newest frame.
        self._coordinates: NDArray[np.float64] | None = None

    def num_held_batches(self, batch_size: int) -> int:
        """Tell how many batches are held back at the most, where only the last one is shorter."""
        return math.ceil(self._half / batch_size) + 1 if self._half else 0

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        """Take the next batch; return the batches whose windows are complete, in order."""
        if not self._half:
            return [batch]
        self._append(batch.poses[..., :2])
        self._held.append(batch)
        self._num_held_frames += len(batch)
        released = []
        while self._held and self._num_held_frames - len(self._held[0]) >= self._half:
            released.append(self._release())
        return released

    def flush(self) -> list[PoseBatch]:
        """Return all held batches at the end of the movie, and be ready for the next movie."""
        if self._held:
            self._append(np.zeros((self._half, *self._held[0].poses.shape[1:-1], 2)))
        released = [self._release() for _ in range(len(self._held))]
        self._coordinates = None
        self._num_released_frames = 0
        return released

    def _append(self, coordinates: NDArray[np.float64]) -> None:
        rows = coordinates.reshape(len(coordinates), -1)
        before = self._coordinates
        if before is None:
            before = np.zeros((self._half, rows.shape[1]))
        self._coordinates = np.concatenate([before, rows])

    def _release(self) -> PoseBatch:
        batch = self._held.popleft()
        self._num_held_frames -= len(batch)
        assert self._coordinates is not None  # noqa: S101 -- for the type checker: frames are held
        window = self._coordinates[: len(batch) + 2 * self._half]
        self._coordinates = self._coordinates[len(batch) :]
        # Zeros that stand for frames before the movie's first and behind its last.
        num_before = max(0, self._half - self._num_released_frames)
        num_behind = max(0, self._half - self._num_held_frames)
        self._num_released_frames += len(batch)
        poses = batch.poses.copy()
        filtered = medians(window, self._half, num_before, num_behind)
        poses[..., :2] = filtered.reshape(poses[..., :2].shape)
        return PoseBatch(batch.frames, poses)
