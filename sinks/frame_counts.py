"""How many frames a movie had, and which of them had no picture."""

from __future__ import annotations

from typing import Self

import numpy as np

from readers import FrameStatus
from sinks.base import PoseBatch
from sinks.frame_ranges import FrameRanges


class FrameCounts:
    """Counts frames by status, and tells which have no picture; writes nothing."""

    def __init__(self) -> None:
        self._num_frames = 0
        self._dropped = FrameRanges()
        self._undecodable = FrameRanges()

    def __enter__(self) -> Self:
        return self

    def write(self, batch: PoseBatch) -> None:
        """Count the batch's frames."""
        self._num_frames += len(batch)
        status, first = batch.frames.status, batch.frames.first_frame_index
        self._dropped.add(first + np.flatnonzero(status == FrameStatus.DROPPED))
        self._undecodable.add(first + np.flatnonzero(status == FrameStatus.UNDECODABLE))

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def num_frames(self) -> int:
        """All frames, with or without a picture."""
        return self._num_frames

    @property
    def num_dropped(self) -> int:
        """Frames that the recorder lost."""
        return self._dropped.num_frames

    @property
    def num_undecodable(self) -> int:
        """Frames that could not be decoded."""
        return self._undecodable.num_frames

    @property
    def dropped_ranges(self) -> list[tuple[int, int]]:
        """First and last index of frames that the recorder lost, inclusive; at most 100 ranges."""
        return self._dropped.ranges

    @property
    def num_dropped_ranges_left_out(self) -> int:
        """Ranges of such frames behind those in `dropped_ranges`."""
        return self._dropped.num_left_out

    @property
    def undecodable_ranges(self) -> list[tuple[int, int]]:
        """First and last index of frames not to be decoded, inclusive; at most 100 ranges."""
        return self._undecodable.ranges

    @property
    def num_undecodable_ranges_left_out(self) -> int:
        """Ranges of such frames behind those in `undecodable_ranges`."""
        return self._undecodable.num_left_out
