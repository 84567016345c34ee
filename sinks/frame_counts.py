"""How many frames a movie had, and how many of them had a picture."""

from __future__ import annotations

from collections import Counter
from typing import Self

from readers import FrameStatus
from sinks.base import PoseBatch


class FrameCounts:
    """Counts frames by status; writes nothing."""

    def __init__(self) -> None:
        self._counts = Counter[int]()

    def __enter__(self) -> Self:
        return self

    def write(self, batch: PoseBatch) -> None:
        """Count the batch's frames."""
        self._counts.update(batch.frames.status.tolist())

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def num_frames(self) -> int:
        """All frames, with or without a picture."""
        return self._counts.total()

    @property
    def num_dropped(self) -> int:
        """Frames that the recorder lost."""
        return self._counts[FrameStatus.DROPPED]

    @property
    def num_undecodable(self) -> int:
        """Frames that could not be decoded."""
        return self._counts[FrameStatus.UNDECODABLE]
