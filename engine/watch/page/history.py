"""The last minute of a live run, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from readers import FrameStatus
from sinks import PoseBatch

NUM_COLUMNS = 240
COLUMN_S = 0.25


@dataclass(frozen=True)
class HistoryColumns:
    """Columns of the history, in order.

    Attributes
    ----------
    first
        Number of the first one: its time in units of `COLUMN_S`.
    likelihood_mean, likelihood_min
        float64, shape (columns, body parts); NaN where no frame was looked at.
    latency_mean_s, latency_max_s
        float64, shape (columns,): arrival to publication in seconds, NaN without frames.
    backlog
        float64, shape (columns,): the most frames that waited; NaN where nobody counted.
    """

    first: int
    likelihood_mean: NDArray[np.float64]
    likelihood_min: NDArray[np.float64]
    latency_mean_s: NDArray[np.float64]
    latency_max_s: NDArray[np.float64]
    backlog: NDArray[np.float64]


class History:
    """Sums up frames in columns of a quarter of a second, and keeps those of a minute.

    Memory is fixed, whatever the frame rate: 240 columns.

    Parameters
    ----------
    num_body_parts
        Of the model.
    """

    def __init__(self, num_body_parts: int) -> None:
        # Per column: frames, then sums, then extremes, of each body part and of the latency.
        self._num_frames = np.zeros(NUM_COLUMNS)
        self._sum = np.zeros((NUM_COLUMNS, num_body_parts + 1))
        self._min = np.full((NUM_COLUMNS, num_body_parts), np.inf)
        self._max_latency_s = np.full(NUM_COLUMNS, np.nan)
        self._backlog = np.full(NUM_COLUMNS, np.nan)
        self._newest = -1
        self._lock = Lock()

    def add(self, batch: PoseBatch, time_s: float) -> None:
        """Add the frames of a batch that were looked at, published at a time."""
        frames = batch.frames
        is_seen = frames.status != FrameStatus.SKIPPED
        if not is_seen.any():
            return
        likelihood = batch.poses[is_seen, :, 2]
        if frames.arrival_time_s is None:
            latency_s = np.full(len(likelihood), np.nan)
        else:
            latency_s = time_s - frames.arrival_time_s[is_seen]
        with self._lock:
            place = self._place(column_of(time_s))
            self._num_frames[place] += len(likelihood)
            self._sum[place, :-1] += likelihood.sum(axis=0)
            self._sum[place, -1] += latency_s.sum()
            np.minimum(self._min[place], likelihood.min(axis=0), out=self._min[place])
            self._max_latency_s[place] = np.fmax(self._max_latency_s[place], latency_s.max())

    def add_backlog(self, backlog: int, time_s: float) -> None:
        """Note how many frames wait at a time."""
        with self._lock:
            place = self._place(column_of(time_s))
            self._backlog[place] = np.fmax(self._backlog[place], backlog)

    def has_backlog(self, time_s: float) -> bool:
        """Tell whether the backlog of the column of a time is known."""
        column = column_of(time_s)
        return column == self._newest and not np.isnan(self._backlog[column % NUM_COLUMNS])

    def columns(self, first: int, stop: int) -> HistoryColumns:
        """Give the columns from `first` on and before `stop`, of those that are kept.

        A minute without anything is given as columns of NaN.
        """
        with self._lock:
            self._place(stop - 1)
            first = min(stop, max(first, self._newest + 1 - NUM_COLUMNS))
            places = np.arange(first, stop) % NUM_COLUMNS
            num_frames, total = self._num_frames[places], self._sum[places]
            least, most_s = self._min[places], self._max_latency_s[places]
            backlog = self._backlog[places]
        with np.errstate(invalid="ignore"):
            mean = total / num_frames[:, np.newaxis]  # 0 / 0 is NaN: there was no frame
        least[num_frames == 0] = np.nan
        return HistoryColumns(first, mean[:, :-1], least, mean[:, -1], most_s, backlog)

    def _place(self, column: int) -> int:
        """Give a column's place, emptied if it was an earlier one's.

        A time before the newest column counts for that one: threads tell the time and then wait.
        """
        if column > self._newest:
            first = max(self._newest + 1, column + 1 - NUM_COLUMNS)
            places = np.arange(first, column + 1) % NUM_COLUMNS
            self._num_frames[places] = 0
            self._sum[places] = 0
            self._min[places] = np.inf
            self._max_latency_s[places] = self._backlog[places] = np.nan
            self._newest = column
        return self._newest % NUM_COLUMNS


def column_of(time_s: float) -> int:
    """Tell the number of the column that a time belongs to."""
    return int(time_s // COLUMN_S)
