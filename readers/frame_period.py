"""What may be the time from one frame to the next."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from readers.errors import MovieError

SHORTEST_S = Fraction(1, 1_000_000)
LONGEST_S = Fraction(86_400)


def check_frame_period(path: Path, period_s: Fraction) -> None:
    """Raise `MovieError` unless the period lies between a microsecond and a day."""
    if not SHORTEST_S <= period_s <= LONGEST_S:
        raise MovieError(
            path,
            f"claims {float(period_s):.3g} s from frame to frame; "
            "allowed are 1e-06 (a microsecond) to 86400 (a day)",
        )
