"""A centred median filter over poses that come batch by batch."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sinks import PoseBatch

Array = NDArray[np.float64]

# What is worked on at a time stays small, however large the batches and however wide the windows.
_VALUES_AT_A_TIME = 2**12
_MENDED_VALUES_AT_A_TIME = 2**18


class MedianFilter:
    """Filters x and y of each body part over an odd number of frames; likelihood is left alone.

    Equal to ``scipy.signal.medfilt`` over the whole movie, bit for bit, where no pose of the window
    is missing: the window is centred, and the movie is taken to be surrounded by zeros. To see
    ``window_length // 2`` frames ahead, batches are held back, with their frames, until the frames
    behind them have come.

    Missing poses (NaN) stay missing, and windows that hold one take the median of the movie's
    values that are there (the mean of the middle two where their number is even), without zeros.
    A window of one frame leaves everything as it is.
    """

    def __init__(self, window_length: int) -> None:
        self._half = window_length // 2
        self._held: deque[PoseBatch] = deque()
        # From `half` frames before the first held frame to the newest frame.
        self._rows = np.empty((0, 0))
        self._is_padding = np.empty(0, np.bool_)

    def num_held_batches(self, batch_size: int) -> int:
        """Tell how many batches are held back at the most, where only the last one is shorter."""
        return math.ceil(self._half / batch_size) + 1 if self._half else 0

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        """Take the next batch; return the batches whose windows are complete, in order."""
        if not self._half:
            return [batch]
        rows = batch.poses[..., :2].reshape(len(batch), -1)
        if not self._held:  # the movie begins: later, the newest batch always waits for others
            self._rows = np.zeros((self._half, rows.shape[1]))
            self._is_padding = np.ones(self._half, np.bool_)
        self._rows = np.concatenate([self._rows, rows])
        self._is_padding = np.append(self._is_padding, np.zeros(len(rows), np.bool_))
        self._held.append(batch)
        released = []
        while len(self._rows) - 2 * self._half >= len(self._held[0]):
            released.append(self._release())
        return released

    def flush(self) -> list[PoseBatch]:
        """Return all held batches at the end of the movie, and be ready for the next movie."""
        if self._held:
            padding = np.zeros((self._half, self._rows.shape[1]))
            self._rows = np.concatenate([self._rows, padding])
            self._is_padding = np.append(self._is_padding, np.ones(self._half, np.bool_))
        return [self._release() for _ in range(len(self._held))]

    def _release(self) -> PoseBatch:
        batch = self._held.popleft()
        span = slice(len(batch) + 2 * self._half)
        filtered = medians(self._rows[span], self._is_padding[span], self._half)
        self._rows, self._is_padding = self._rows[len(batch) :], self._is_padding[len(batch) :]
        poses = batch.poses.copy()
        poses[..., :2] = filtered.reshape(poses[..., :2].shape)
        return PoseBatch(batch.frames, poses)


def medians(rows: Array, is_padding: NDArray[np.bool_], half: int) -> Array:
    """Centred medians along the first axis, of the rows that have `half` others on both sides.

    Of (n + 2 × half) rows there are n medians, in float64; `half`, at least 1, is half the window's
    length, rounded down. Rows that are padding stand for frames beyond the movie's ends: values
    like others, but not where a window holds NaN. A median is NaN where the middle of the window
    is; where other values of it are, that of those present that are no padding (the mean of the
    middle two where their number is even). Which zero comes of windows that hold both 0.0 and -0.0
    is left open.

    Windows next to each other are done in groups that share most of their sorting. Memory beyond
    the result stays that of a few windows.
    """
    num_windows, num_columns = len(rows) - 2 * half, rows.shape[1]
    group = math.isqrt(half)  # the larger, the less there is to sort for all, the more for each
    at_a_time = max(group, _VALUES_AT_A_TIME // num_columns)
    result = np.empty((num_windows, num_columns))
    for first in range(0, num_windows, at_a_time):
        span = slice(first, first + at_a_time + 2 * half)
        columns = rows[span].T.copy()
        found = _of_columns(columns, half, group)
        missing = np.isnan(columns)
        if missing.any():
            columns[:, is_padding[span]] = np.nan
            _mend(found, columns, missing, half)
        result[first : first + at_a_time] = found.T
    return result


def _of_columns(columns: Array, half: int, group: int) -> Array:
    """Medians of each column's windows, in groups of `group` windows that follow each other.

    All windows of a group hold its core; each has ``group - 1`` values besides, so its median is
    one of the core's middle `group`, and is in the middle of these and its own values.
    """
    num_windows = columns.shape[1] - 2 * half
    group = min(group, num_windows)
    if group == 1:
        windows = sliding_window_view(columns, 2 * half + 1, axis=1)
        return np.partition(windows, half)[..., half]
    if surplus := -num_windows % group:
        columns = np.concatenate([columns, np.zeros((len(columns), surplus))], axis=1)
    num_own = group - 1
    spans = sliding_window_view(columns, 2 * half + group, axis=1)[:, ::group]
    core = spans[..., num_own : 2 * half + 1]
    middle = np.partition(core, (half - num_own, half))[..., half - num_own : half + 1]
    # A window's own values are neighbours among those before the core and those behind it.
    beside = np.concatenate([spans[..., :num_own], spans[..., 2 * half + 1 :]], axis=-1)
    own = sliding_window_view(beside, num_own, axis=-1)
    values = np.empty((*own.shape[:3], group + num_own))
    values[..., :group] = middle[:, :, None]
    values[..., group:] = own
    values.partition(num_own)
    return values[..., num_own].reshape(len(columns), -1)[:, :num_windows]


def _mend(result: Array, columns: Array, missing: NDArray[np.bool_], half: int) -> None:
    """Replace the medians of windows that hold NaN by those of the values that are there."""
    length = 2 * half + 1
    is_missing = missing[:, half:-half]
    result[is_missing] = np.nan
    gappy = sliding_window_view(missing, length, axis=1).any(axis=-1) & ~is_missing
    windows = sliding_window_view(columns, length, axis=1)
    places = np.argwhere(gappy)
    at_a_time = max(1, _MENDED_VALUES_AT_A_TIME // length)
    for first in range(0, len(places), at_a_time):
        place = tuple(places[first : first + at_a_time].T)
        result[place] = np.nanmedian(windows[place], axis=-1)
