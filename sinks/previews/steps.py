"""How far body parts move from frame to frame, counted in as much memory as a picture needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_EXACT_FRAMES = 4096
_NUM_FINE_BINS = 8192
_NUM_EDGES = 100


class StepHistogram:
    """Counts the frame-to-frame differences of lines, in bins that are known only at the end.

    DeepLabCut draws 99 bins from 0 to the largest value of the whole table. Up to
    `NUM_EXACT_FRAMES` frames the differences are kept and counted exactly. Beyond, they fall into
    8,192 fine bins whose width doubles as needed, and a fine bin counts where its middle lies: a
    difference may end up in the neighbouring bin if it is within half a fine bin of an edge.

    Differences from or to a frame without a value are left out. Negative differences lie outside
    the bins, as in DeepLabCut's.

    Parameters
    ----------
    num_lines
        How many lines there are.
    largest_expected
        Differences up to this need no doubling.
    """

    def __init__(self, num_lines: int, largest_expected: float) -> None:
        self._num_lines = num_lines
        self._fine_width = largest_expected / _NUM_FINE_BINS
        self._exact: list[NDArray[np.float64]] = []
        self._num_frames = 0
        self._counts: NDArray[np.int64] | None = None
        self._last: NDArray[np.float64] | None = None
        self._largest = 0.0

    def add(self, values: NDArray[np.float64], largest: float) -> None:
        """Add the next frames.

        Parameters
        ----------
        values
            float64, shape (frames, lines); NaN where there is none.
        largest
            The largest value of these frames' poses, likelihoods included; NaN for none.
        """
        self._largest = float(np.fmax(self._largest, largest))
        before = values[:1] if self._last is None else self._last
        steps = np.diff(np.concatenate([before, values]), axis=0)
        if self._last is None:
            steps = steps[1:]
        self._last = values[-1:]
        self._num_frames += len(values)
        if self._counts is None and self._num_frames <= NUM_EXACT_FRAMES:
            self._exact.append(steps)
            return
        if self._counts is None:
            self._counts = np.zeros((self._num_lines, _NUM_FINE_BINS), np.int64)
            for earlier in self._exact:
                self._count(earlier)
            self._exact = []
        self._count(steps)

    def _count(self, steps: NDArray[np.float64]) -> None:
        assert self._counts is not None  # noqa: S101 -- for the type checker
        line = np.broadcast_to(np.arange(self._num_lines), steps.shape)
        counted = steps >= 0
        if not counted.any():
            return
        while steps[counted].max() >= self._fine_width * _NUM_FINE_BINS:
            pairs = self._counts.reshape(self._num_lines, -1, 2).sum(axis=2)
            self._counts = np.pad(pairs, ((0, 0), (0, _NUM_FINE_BINS // 2)))
            self._fine_width *= 2
        fine = (steps[counted] // self._fine_width).astype(np.intp)
        np.add.at(self._counts, (line[counted], fine), 1)

    def counts(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Count the differences in DeepLabCut's bins.

        Returns
        -------
        edges : float64, shape (100,)
            From 0 to the largest value of the table.
        counts : int64, shape (lines, 99)
        """
        edges = np.linspace(0, self._largest or 1.0, _NUM_EDGES)
        if self._counts is None:
            steps = np.concatenate([np.empty((0, self._num_lines)), *self._exact])
            finite = [line[np.isfinite(line)] for line in steps.T]
            return edges, np.stack([np.histogram(line, edges)[0] for line in finite])
        middles = (np.arange(_NUM_FINE_BINS) + 0.5) * self._fine_width
        return edges, np.stack(
            [np.histogram(middles, edges, weights=line)[0] for line in self._counts]
        ).astype(np.int64)
