"""How many frames a second come or go."""

from __future__ import annotations

from collections import deque


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
