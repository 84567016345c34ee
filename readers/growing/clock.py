"""The time of a recording's events."""

from __future__ import annotations

import time

_OFFSET_S = time.time() - time.monotonic()


def now_s() -> float:
    """Tell the seconds since 1970-01-01 UTC, as the system's clock had it when posestream began.

    It never jumps, whatever is done to the system's clock: latencies are differences of it. All
    processes of a machine that share the offset share the clock.
    """
    return _OFFSET_S + time.monotonic()
