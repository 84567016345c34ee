"""Threads that let the others of the process go first."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

_NICENESS = 5
"""A third of the processor's time where it is short."""


def patiently(function: Callable[[], Result]) -> Result:
    """Call a function so that the threads that it begins run where others leave time.

    On Linux alone, where each thread has a priority of its own, and gets it from that which began
    it; elsewhere they run as all others.
    """
    with ThreadPoolExecutor(1, initializer=_give_way) as pool:
        return pool.submit(function).result()


def _give_way() -> None:
    if sys.platform == "linux":
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(niceness + _NICENESS, 19))
