"""When the frames of a container are shown."""

from __future__ import annotations

from fractions import Fraction


class FrameClock:
    """Seconds since the first frame, from presentation times."""

    def __init__(self, period_s: Fraction) -> None:
        self._period_s = period_s
        self._first_s: Fraction | None = None
        self._elapsed_s = -period_s

    def time_s(self, presentation_time_s: Fraction | None) -> float:
        """Give the time of the next frame, never less than the last one's.

        One without a time follows a period after the last.
        """
        if presentation_time_s is None:
            self._elapsed_s += self._period_s
        else:
            if self._first_s is None:
                self._first_s = presentation_time_s
            self._elapsed_s = max(presentation_time_s - self._first_s, self._elapsed_s)
        periods = self._elapsed_s / self._period_s
        if periods.denominator == 1:  # index × period in floating point, as the reference tool
            return periods.numerator * float(self._period_s)
        return float(self._elapsed_s)
