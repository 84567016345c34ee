"""Rows of a journal: what is known of a frame once the model has seen it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class JournalRows:
    """Contiguous rows of a journal, one a frame.

    Attributes
    ----------
    time_s, hardware_counter_us, status
        As in `readers.FrameBatch`.
    poses
        float64, shape (frames, body parts, 3): as the model gave them.
    """

    time_s: NDArray[np.float64]
    hardware_counter_us: NDArray[np.float64]
    status: NDArray[np.uint8]
    poses: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time_s)

    def part(self, start: int, stop: int) -> JournalRows:
        """Rows `start` to `stop`, as views."""
        return JournalRows(
            self.time_s[start:stop],
            self.hardware_counter_us[start:stop],
            self.status[start:stop],
            self.poses[start:stop],
        )

    def as_bytes(self) -> bytes:
        """Give the rows as they stand in a block."""
        columns = (self.time_s, self.hardware_counter_us, self.status, self.poses)
        return b"".join(np.ascontiguousarray(column).tobytes() for column in columns)

    @staticmethod
    def from_bytes(data: bytes, num_rows: int, num_body_parts: int) -> JournalRows:
        """Read the rows of a block, as read-only views of its bytes."""
        numbers = np.frombuffer(data, np.float64, 2 * num_rows)
        status = np.frombuffer(data, np.uint8, num_rows, 16 * num_rows)
        poses = np.frombuffer(data[17 * num_rows :], np.float64)
        return JournalRows(
            numbers[:num_rows],
            numbers[num_rows:],
            status,
            poses.reshape(num_rows, num_body_parts, 3),
        )

    @staticmethod
    def joined(pieces: list[JournalRows]) -> JournalRows:
        """Put rows behind one another."""
        if len(pieces) == 1:
            return pieces[0]
        return JournalRows(
            np.concatenate([piece.time_s for piece in pieces]),
            np.concatenate([piece.hardware_counter_us for piece in pieces]),
            np.concatenate([piece.status for piece in pieces]),
            np.concatenate([piece.poses for piece in pieces]),
        )
