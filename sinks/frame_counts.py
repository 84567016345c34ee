"""The number of a movie's frames, and those of them that have no picture."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from readers import FrameStatus
from sinks.base import PoseBatch

MOST_RANGES = 100


class FrameRanges:
    """Frames as ranges of contiguous ones; the first `MOST_RANGES` of them are kept.

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
            first, last = int(run[0]), int(run[-1])
            goes_on = self._last is not None and first == self._last + 1
            self._last = last
            if goes_on and not self.num_left_out:
                self.ranges[-1] = (self.ranges[-1][0], last)
            elif not goes_on and len(self.ranges) < MOST_RANGES:
                self.ranges.append((first, last))
            elif not goes_on:
                self.num_left_out += 1


class FrameCounts:
    """A sink that writes nothing: it counts frames, and tells which have no pose.

    Attributes
    ----------
    num_frames
        All frames, with or without a picture.
    dropped
        Those that the recorder lost.
    undecodable
        Those that could not be decoded.
    skipped
        Those that a live run did not look at.
    """

    def __init__(self) -> None:
        self.num_frames = 0
        self.dropped = FrameRanges()
        self.undecodable = FrameRanges()
        self.skipped = FrameRanges()

    def __enter__(self) -> Self:
        return self

    def write(self, batch: PoseBatch) -> None:
        """Count the batch's frames."""
        self.num_frames += len(batch)
        for status, ranges in (
            (FrameStatus.DROPPED, self.dropped),
            (FrameStatus.UNDECODABLE, self.undecodable),
            (FrameStatus.SKIPPED, self.skipped),
        ):
            found = np.flatnonzero(batch.frames.status == status)
            ranges.add(batch.frames.first_frame_index + found)

    def __exit__(self, *_: object) -> None:
        pass
