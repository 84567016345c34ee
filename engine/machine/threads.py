"""Calls on a thread of their own, out of the way of interrupts or of other threads."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_NICENESS = 5
"""A third of the processor's time where it is short."""


def undisturbed(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Call a function where no interrupt comes in the middle of it; give or raise as it does.

    FFmpeg reads movies through our own Python functions, and loses an exception that comes while it
    is in one of them, or takes it for the end of the movie. Python raises interrupts in the main
    thread alone: there they interrupt this call at once, and the function ends by itself.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="posestream undisturbed")
    try:
        return pool.submit(function, *args, **kwargs).result()
    finally:
        pool.shutdown(wait=False)


def patiently(function: Callable[[], Result]) -> Result:
    """Call a function so that the threads that it begins run where others leave time.

    This has an effect on Linux alone, where each thread has a priority of its own, and begins with
    that of the thread that began it.
    """
    with ThreadPoolExecutor(1, initializer=_give_way) as pool:
        return pool.submit(function).result()


def _give_way() -> None:
    if sys.platform == "linux":
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(niceness + _NICENESS, 19))
