"""Tables of poses, and their rows, gathered until there are enough to be worth writing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sinks.base import PoseBatch


@dataclass(frozen=True)
class PoseRows:
    """Poses of contiguous frames, without their images; shapes as in `PoseBatch`."""

    first_frame_index: int
    time_s: NDArray[np.float64]
    hardware_counter_us: NDArray[np.float64]
    poses: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.poses)

    @property
    def frame_indices(self) -> NDArray[np.int64]:
        """Index within the movie of each frame, int64, shape (frames,)."""
        return np.arange(self.first_frame_index, self.first_frame_index + len(self))

    def part(self, start: int, stop: int) -> PoseRows:
        """Rows `start` to `stop`, as views."""
        return PoseRows(
            self.first_frame_index + start,
            self.time_s[start:stop],
            self.hardware_counter_us[start:stop],
            self.poses[start:stop],
        )


class RowBuffer:
    """Gathers batches into chunks of rows; never holds more than a chunk and a batch.

    Chunks end at multiples of `chunk_length` rows, however the batches are cut, so that a file
    written chunk by chunk does not depend on the batch size.
    """

    def __init__(self, chunk_length: int) -> None:
        self._chunk_length = chunk_length
        self._pieces: list[PoseRows] = []

    def add(self, batch: PoseBatch) -> Iterator[PoseRows]:
        """Add a batch; yield the chunks that are full."""
        first, frames = batch.frames.first_frame_index, batch.frames
        self._pieces.append(PoseRows(first, frames.time_s, frames.hardware_counter_us, batch.poses))
        if sum(map(len, self._pieces)) < self._chunk_length:
            return
        [rows] = self.rest()
        end = len(rows) - len(rows) % self._chunk_length
        self._pieces = [rows.part(end, len(rows))] if end < len(rows) else []
        for start in range(0, end, self._chunk_length):
            yield rows.part(start, start + self._chunk_length)

    def rest(self) -> Iterator[PoseRows]:
        """Yield the rows that fill no chunk, if there are any."""
        pieces, self._pieces = self._pieces, []
        if pieces:
            yield PoseRows(
                pieces[0].first_frame_index,
                np.concatenate([piece.time_s for piece in pieces]),
                np.concatenate([piece.hardware_counter_us for piece in pieces]),
                np.concatenate([piece.poses for piece in pieces]),
            )
