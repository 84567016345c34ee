"""How long poses took, over the last minute."""

from __future__ import annotations

import math
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
