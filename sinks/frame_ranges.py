"""Which frames share a trait, as ranges, however long the movie is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_RANGES = 100


class FrameRanges:
    """Gathers frames as ranges of contiguous ones; keeps the first `MOST_RANGES` of them.

    Attributes
    ----------
    ranges
        First and last frame index of each range, inclusive, ascending.
    num_left_out
        Ranges behind those that are kept.
    num_frames
        Frames of all ranges, whether kept or left out.
    """

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.num_left_out = 0
        self.num_frames = 0
        self._last: int | None = None

    def add(self, frame_indices: NDArray[np.int64]) -> None:
        """Add frames behind those before, int64, shape (frames,), ascending."""
        if not len(frame_indices):
            return
        self.num_frames += len(frame_indices)
        for run in np.split(frame_indices, np.flatnonzero(np.diff(frame_indices) > 1) + 1):
            self._add_range(int(run[0]), int(run[-1]))

    def _add_range(self, first: int, last: int) -> None:
        goes_on = self._last is not None and first == self._last + 1
        self._last = last
        if goes_on and self.num_left_out:
            return  # the range that goes on was counted when it began
        if goes_on:
            self.ranges[-1] = (self.ranges[-1][0], last)
        elif len(self.ranges) < MOST_RANGES:
            self.ranges.append((first, last))
        else:
            self.num_left_out += 1
