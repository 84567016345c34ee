"""The last minute of a live run, column by column."""

from __future__ import annotations

from threading import Lock

import numpy as np

from readers import FrameStatus
from sinks import PoseBatch

_NUM_COLUMNS = 240
COLUMN_S = 0.25


class History:
    """Sums up frames in columns of a quarter of a second, and keeps the 240 of the last minute."""

    def __init__(self, num_body_parts: int) -> None:
        # Per column: frames, then sums, then extremes, of each body part and of the latency.
        self._num_frames = np.zeros(_NUM_COLUMNS)
        self._sum = np.zeros((_NUM_COLUMNS, num_body_parts + 1))
        self._min = np.full((_NUM_COLUMNS, num_body_parts), np.inf)
        self._max_latency_s = np.full(_NUM_COLUMNS, np.nan)
        self._backlog = np.full(_NUM_COLUMNS, np.nan)
        self._newest = -1
        self._lock = Lock()

    def add(self, batch: PoseBatch, time_s: float) -> None:
        """Add the frames of a batch that were looked at, published at a time."""
        is_seen = batch.frames.status != FrameStatus.SKIPPED
        if not is_seen.any():
            return
        likelihood = batch.poses[is_seen, :, 2]
        latency_s = np.full(len(likelihood), np.nan)
        if batch.frames.arrival_time_s is not None:
            latency_s = time_s - batch.frames.arrival_time_s[is_seen]
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
        return column == self._newest and not np.isnan(self._backlog[column % _NUM_COLUMNS])

    def as_json(self, first: int, stop: int) -> dict[str, object]:
        """Describe the columns from `first` on and before `stop`, of those that are kept.

        Likelihoods are lists of columns for each body part; None stands for what is unknown. A
        column's number is its time in units of `COLUMN_S`.
        """
        with self._lock:
            self._place(stop - 1)
            first = min(stop, max(first, self._newest + 1 - _NUM_COLUMNS))
            places = np.arange(first, stop) % _NUM_COLUMNS
            with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: there was no frame
                mean = self._sum[places] / self._num_frames[places, np.newaxis]
            columns = {
                "likelihood_mean": (mean[:, :-1].T, 3),
                "likelihood_min": (self._min[places].T, 3),
                "latency_mean_ms": (mean[:, -1] * 1000, 2),
                "latency_max_ms": (self._max_latency_s[places] * 1000, 2),
                "backlog": (self._backlog[places], 0),
            }
        told: dict[str, object] = {}
        for name, (values, num_decimals) in columns.items():
            rounded = np.round(values, num_decimals).astype(object)
            rounded[~np.isfinite(values)] = None
            told[name] = rounded.tolist()
        return {"num_columns": _NUM_COLUMNS, "column_s": COLUMN_S, "first": first, **told}

    def _place(self, column: int) -> int:
        """Give the place of a column, emptied if an earlier one had it.

        A time before the newest column counts for that one: threads tell the time and then wait.
        """
        if column > self._newest:
            first = max(self._newest + 1, column + 1 - _NUM_COLUMNS)
            places = np.arange(first, column + 1) % _NUM_COLUMNS
            self._num_frames[places] = 0
            self._sum[places] = 0
            self._min[places] = np.inf
            self._max_latency_s[places] = self._backlog[places] = np.nan
            self._newest = column
        return self._newest % _NUM_COLUMNS


def column_of(time_s: float) -> int:
    """Tell the number of the column that a time belongs to."""
    return int(time_s // COLUMN_S)
