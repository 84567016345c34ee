"""Rows of a journal: what is known of a frame once the model has seen it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.pipeline.views import LOOK_DTYPE, FollowedBatch, Looks
from readers import FrameBatch
from sinks import PoseBatch


@dataclass(frozen=True)
class JournalRows:
    """Contiguous rows of a journal, one a frame.

    Attributes
    ----------
    time_s, hardware_counter_us, status
        As in `readers.FrameBatch`.
    poses
        float64, shape (frames, body parts, 3): as the model gave them.
    looks
        How the frames were looked at; None where all were looked at whole.
    """

    time_s: NDArray[np.float64]
    hardware_counter_us: NDArray[np.float64]
    status: NDArray[np.uint8]
    poses: NDArray[np.float64]
    looks: Looks | None = None

    def __len__(self) -> int:
        return len(self.time_s)

    def part(self, start: int, stop: int) -> JournalRows:
        """Rows `start` to `stop`, as views."""
        return JournalRows(
            self.time_s[start:stop],
            self.hardware_counter_us[start:stop],
            self.status[start:stop],
            self.poses[start:stop],
            None if self.looks is None else self.looks[start:stop],
        )

    @staticmethod
    def of(batch: PoseBatch) -> JournalRows:
        """Give the rows of a batch."""
        frames = batch.frames
        return JournalRows(
            frames.time_s,
            frames.hardware_counter_us,
            frames.status,
            batch.poses,
            batch.looks if isinstance(batch, FollowedBatch) else None,
        )

    def batch(self, frames: FrameBatch) -> PoseBatch:
        """Give the poses with their frames."""
        if self.looks is None:
            return PoseBatch(frames, self.poses)
        return FollowedBatch(frames, self.poses, self.looks)

    def as_bytes(self) -> bytes:
        """Give the rows as they stand in a block."""
        columns = (self.time_s, self.hardware_counter_us, self.status, self.poses, self.looks)
        return b"".join(column.tobytes() for column in columns if column is not None)

    @staticmethod
    def from_bytes(
        data: bytes, num_rows: int, num_body_parts: int, *, has_looks: bool
    ) -> JournalRows:
        """Read the rows of a block, as read-only views of its bytes."""
        numbers = np.frombuffer(data, np.float64, 2 * num_rows)
        status = np.frombuffer(data, np.uint8, num_rows, 16 * num_rows)
        num_values = 3 * num_rows * num_body_parts
        poses = np.frombuffer(data[17 * num_rows :], np.float64, num_values)
        looks = None
        if has_looks:
            looks = np.frombuffer(data, LOOK_DTYPE, offset=17 * num_rows + 8 * num_values)
        return JournalRows(
            numbers[:num_rows],
            numbers[num_rows:],
            status,
            poses.reshape(num_rows, num_body_parts, 3),
            looks,
        )

    @staticmethod
    def joined(pieces: list[JournalRows]) -> JournalRows:
        """Put rows behind one another."""
        if len(pieces) == 1:
            return pieces[0]
        looks = [piece.looks for piece in pieces if piece.looks is not None]
        return JournalRows(
            np.concatenate([piece.time_s for piece in pieces]),
            np.concatenate([piece.hardware_counter_us for piece in pieces]),
            np.concatenate([piece.status for piece in pieces]),
            np.concatenate([piece.poses for piece in pieces]),
            np.concatenate(looks) if looks else None,
        )
