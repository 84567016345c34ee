"""How many frames a movie had, and which of them had no picture."""

from __future__ import annotations

from typing import Self

import numpy as np

from readers import FrameStatus
from sinks.base import PoseBatch
from sinks.frame_ranges import FrameRanges


class FrameCounts:
    """Counts frames by status, and tells which have no pose; writes nothing.

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
