"""The latency of poses over the last minute, and the rate at which frames come or go."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LatencyPercentiles:
    """Seconds that half, 95 % and 99 % of the frames took at most."""

    p50_s: float
    p95_s: float
    p99_s: float


class Latency:
    """Keeps the latencies of the last frames, for one thread that adds and any that ask.

    Memory is bounded by the capacity, 16 bytes a frame. Where more frames than that come within
    the window, the percentiles are those of the last `capacity` frames.

    Parameters
    ----------
    window_s
        Frames that were published longer ago do not count.
    capacity
        The most frames that are kept; the default holds a minute at 136 frames/s.
    """

    def __init__(self, window_s: float = 60.0, capacity: int = 8192) -> None:
        self._window_s = window_s
        self._latency_s = np.empty(capacity)
        self._publish_time_s = np.full(capacity, -math.inf)
        self._num_added = 0
        self._lock = Lock()

    def add(self, latency_s: NDArray[np.float64], publish_time_s: float) -> None:
        """Take the latencies of frames that were published together.

        Parameters
        ----------
        latency_s
            float64, shape (frames,): seconds; NaN does not count.
        publish_time_s
            When they were published, on any clock that does not go back.
        """
        capacity = len(self._latency_s)
        latency_s = latency_s[-capacity:]
        first = self._num_added % capacity
        num_before_end = min(len(latency_s), capacity - first)
        with self._lock:
            for start, part in (
                (first, latency_s[:num_before_end]),
                (0, latency_s[num_before_end:]),
            ):
                self._latency_s[start : start + len(part)] = part
                self._publish_time_s[start : start + len(part)] = publish_time_s
            self._num_added += len(latency_s)

    def percentiles(self, now_s: float) -> LatencyPercentiles | None:
        """Tell the percentiles of the window that ends now; None where it has no frames.

        They are interpolated linearly between frames, as by `numpy.percentile`.
        """
        with self._lock:
            latency_s, publish_time_s = self._latency_s.copy(), self._publish_time_s.copy()
        counts = (publish_time_s >= now_s - self._window_s) & ~np.isnan(latency_s)
        if not counts.any():
            return None
        return LatencyPercentiles(*map(float, np.percentile(latency_s[counts], (50, 95, 99))))


class Rate:
    """Frames per second over the last seconds, told from a running total.

    Not thread-safe. Memory is bounded: totals noted within a tenth of a second are one.

    Parameters
    ----------
    window_s
        Seconds over which the rate is the mean.
    """

    _STEP_S = 0.1

    def __init__(self, window_s: float = 5.0) -> None:
        self._window_s = window_s
        self._totals: deque[tuple[float, int]] = deque()

    def note(self, time_s: float, total: int) -> None:
        """Note how many frames there have been up to now."""
        totals = self._totals
        if len(totals) > 1 and time_s - totals[-2][0] < self._STEP_S:
            totals.pop()
        totals.append((time_s, total))
        while len(totals) > 2 and totals[1][0] <= time_s - self._window_s:
            totals.popleft()

    def per_s(self) -> float | None:
        """Tell the rate at the last note; None before there is a second one.

        A total that went back, as an estimate may, is taken as none: a rate is never negative.
        """
        if len(self._totals) < 2:
            return None
        (first_s, first), (last_s, last) = self._totals[0], self._totals[-1]
        return max(0, last - first) / (last_s - first_s) if last_s > first_s else None
