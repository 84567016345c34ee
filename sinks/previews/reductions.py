"""Poses of a movie of any length, reduced to what its previews show of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_COLUMNS = 2048
"""Columns of full lines; after a merge, half of them are in use. A preview is narrower."""
NUM_EXACT_FRAMES = 4096
CELLS_PER_SIDE = 384
MARGIN = 0.25
_NUM_FINE_BINS = 8192
_NUM_EDGES = 100


class LineReducer:
    """The minimum and the maximum of each column of lines over time.

    A column begins as one frame: up to `NUM_COLUMNS` frames, minimum and maximum are the values
    themselves. Whenever the columns are used up, neighbours are merged in pairs and columns are
    twice as wide from then on. How values were cut into batches makes no difference.
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
                half = NUM_COLUMNS // 2
                for bounds, merge in ((self._lowest, np.fmin), (self._highest, np.fmax)):
                    bounds[:half] = merge(bounds[0::2], bounds[1::2])
                    bounds[half:] = np.nan
                self._frames_per_column *= 2
                continue
            part = values[: capacity - self._num_frames]
            columns = (self._num_frames + np.arange(len(part))) // self._frames_per_column
            np.fmin.at(self._lowest, columns, part)
            np.fmax.at(self._highest, columns, part)
            self._num_frames += len(part)
            values = values[len(part) :]

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points to draw the lines through: frame indices and values.

        They are float64, shapes (points,) and (points, lines): one for each frame while the
        reduction is exact; else each column's minimum and maximum, in the middle of its frames.
        NaN where a column has no value, which leaves a gap in the line.
        """
        width = self._frames_per_column
        num_columns = -(-self._num_frames // width)
        frame_indices = np.arange(num_columns) * width + (width - 1) / 2
        if width == 1:
            return frame_indices, self._lowest[:num_columns]
        bounds = np.stack([self._lowest[:num_columns], self._highest[:num_columns]], axis=1)
        return np.repeat(frame_indices, 2), bounds.reshape(2 * num_columns, -1)


class StepHistogram:
    """The differences of lines from frame to frame, in bins that are known at the end.

    DeepLabCut draws 99 bins from 0 to the largest value of the whole table; negative differences
    lie outside, and those from or to a frame without a value are left out. Up to
    `NUM_EXACT_FRAMES` frames the differences are kept and counted exactly. Beyond, they fall into
    8,192 fine bins whose width doubles as needed (not up to `largest_expected`), and a fine bin
    counts where its middle lies: a difference within half of one of an edge may be miscounted.
    """

    def __init__(self, num_lines: int, largest_expected: float) -> None:
        self._fine_width = largest_expected / _NUM_FINE_BINS
        self._exact: list[NDArray[np.float64]] = []
        self._num_frames = 0
        self._counts = np.zeros((num_lines, _NUM_FINE_BINS), np.int64)
        self._last = np.empty((0, num_lines))
        self._largest = 0.0

    def add(self, values: NDArray[np.float64], largest: float) -> None:
        """Add the next frames' values, float64, shape (frames, lines); NaN where there is none.

        `largest` is the largest value of their poses, likelihoods included; NaN for none.
        """
        self._largest = float(np.fmax(self._largest, largest))
        self._exact.append(np.diff(np.concatenate([self._last, values]), axis=0))
        self._last = values[-1:]
        self._num_frames += len(values)
        if self._num_frames <= NUM_EXACT_FRAMES:
            return
        steps = np.concatenate(self._exact)
        self._exact = []
        line = np.broadcast_to(np.arange(len(self._counts)), steps.shape)
        counted = steps >= 0
        while steps[counted].max(initial=0) >= self._fine_width * _NUM_FINE_BINS:
            pairs = self._counts.reshape(len(self._counts), -1, 2).sum(axis=2)
            self._counts = np.pad(pairs, ((0, 0), (0, _NUM_FINE_BINS // 2)))
            self._fine_width *= 2
        fine = (steps[counted] // self._fine_width).astype(np.intp)
        np.add.at(self._counts, (line[counted], fine), 1)

    def counts(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Count the differences in DeepLabCut's bins: give edges and counts.

        The edges, float64, shape (100,), go from 0 to the largest value of the table; the counts
        are int64, shape (lines, 99).
        """
        edges = np.linspace(0, self._largest or 1.0, _NUM_EDGES)
        if self._num_frames <= NUM_EXACT_FRAMES:
            steps = np.concatenate([np.empty((0, len(self._counts))), *self._exact])
            finite = [line[np.isfinite(line)] for line in steps.T]
            return edges, np.stack([np.histogram(line, edges)[0] for line in finite])
        middles = (np.arange(_NUM_FINE_BINS) + 0.5) * self._fine_width
        return edges, np.stack(
            [np.histogram(middles, edges, weights=line)[0] for line in self._counts]
        ).astype(np.int64)


class TrajectoryMap:
    """The positions of body parts: all of them at first, later the cells they fell into.

    Up to `NUM_EXACT_FRAMES` frames positions are kept as they are. Beyond, the frame, whose size
    is in pixels, and a margin of a quarter around it are divided into 384 × 384 cells, and a cell
    keeps how often each body part was in it (up to 255); a position further out counts for the
    nearest cell.
    """

    def __init__(self, num_body_parts: int, frame_width: int, frame_height: int) -> None:
        size = np.array([frame_width, frame_height], float)
        self._origin = -MARGIN * size
        self._cell_size = (1 + 2 * MARGIN) * size / CELLS_PER_SIDE
        self._exact: list[NDArray[np.float64]] = []
        self._num_frames = 0
        self._visits = np.zeros((num_body_parts, CELLS_PER_SIDE, CELLS_PER_SIDE), np.uint8)

    def add(self, positions: NDArray[np.float64]) -> None:
        """Add the next frames' positions, float64, shape (frames, body parts, 2); NaN for none."""
        self._num_frames += len(positions)
        self._exact.append(positions)
        if self._num_frames <= NUM_EXACT_FRAMES:
            return
        positions, visits = np.concatenate(self._exact), self._visits
        self._exact = []
        there = np.isfinite(positions).all(axis=-1)
        cells = (positions[there] - self._origin) // self._cell_size
        column, row = np.clip(cells, 0, CELLS_PER_SIDE - 1).astype(np.intp).T
        part = np.nonzero(there)[1]
        flat, added = np.unique(
            np.ravel_multi_index((part, row, column), visits.shape), return_counts=True
        )
        total = visits.flat[flat].astype(np.int64) + added
        visits.flat[flat] = np.minimum(total, 255).astype(np.uint8)

    def points(self, body_part: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Points to draw for one body part: all its positions, or the middles of its cells.

        Gives x and y in pixels, float64, shape (points, 2), and the number of frames that each
        point stands for, at most 255, int64, shape (points,).
        """
        if self._num_frames <= NUM_EXACT_FRAMES:
            positions = np.concatenate([np.empty((0, 2)), *(p[:, body_part] for p in self._exact)])
            positions = positions[np.isfinite(positions).all(axis=1)]
            return positions, np.ones(len(positions), np.int64)
        row, column = np.nonzero(self._visits[body_part])
        middles = self._origin + (np.stack([column, row], axis=1) + 0.5) * self._cell_size
        return middles, self._visits[body_part, row, column].astype(np.int64)
