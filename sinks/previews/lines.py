"""Lines over time, of any length, in as much memory as a picture needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_COLUMNS = 2048
"""Columns of a full reduction; after a merge, half of them are in use. A preview is narrower."""


class LineReducer:
    """Keeps the minimum and the maximum of each column of a plot, whatever the movie's length.

    A column begins as one frame: up to `NUM_COLUMNS` frames, minimum and maximum are the values
    themselves. Whenever the columns are used up, neighbours are merged in pairs and columns are
    twice as wide from then on. The result depends on the values alone, not on how they were cut
    into batches.

    Parameters
    ----------
    num_lines
        How many lines there are.
    """

    def __init__(self, num_lines: int) -> None:
        self._lowest = np.full((NUM_COLUMNS, num_lines), np.nan)
        self._highest = np.full((NUM_COLUMNS, num_lines), np.nan)
        self._frames_per_column = 1
        self._num_frames = 0

    def add(self, values: NDArray[np.float64]) -> None:
        """Add the next frames' values, float64, shape (frames, lines); NaN where there is none."""
        while len(values):
            capacity = NUM_COLUMNS * self._frames_per_column
            if self._num_frames == capacity:
                self._merge_columns()
                continue
            part = values[: capacity - self._num_frames]
            columns = (self._num_frames + np.arange(len(part))) // self._frames_per_column
            np.fmin.at(self._lowest, columns, part)
            np.fmax.at(self._highest, columns, part)
            self._num_frames += len(part)
            values = values[len(part) :]

    def _merge_columns(self) -> None:
        half = NUM_COLUMNS // 2
        for bounds, merge in ((self._lowest, np.fmin), (self._highest, np.fmax)):
            bounds[:half] = merge(bounds[0::2], bounds[1::2])
            bounds[half:] = np.nan
        self._frames_per_column *= 2

    @property
    def is_exact(self) -> bool:
        """Whether every frame still has a column of its own."""
        return self._frames_per_column == 1

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points to draw the lines through.

        Returns
        -------
        frame_indices : float64, shape (points,)
            Where each point stands: at its frame, or in the middle of its column's frames.
        values : float64, shape (points, lines)
            One value per frame while the reduction is exact; else each column's minimum and
            maximum. NaN where a column has no value, which leaves a gap in the line.
        """
        width = self._frames_per_column
        num_columns = -(-self._num_frames // width)
        frame_indices = np.arange(num_columns) * width + (width - 1) / 2
        if self.is_exact:
            return frame_indices, self._lowest[:num_columns]
        bounds = np.stack([self._lowest[:num_columns], self._highest[:num_columns]], axis=1)
        return np.repeat(frame_indices, 2), bounds.reshape(2 * num_columns, -1)
