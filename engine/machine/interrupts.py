"""Calls that an interrupt must not come in the middle of."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def undisturbed(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Call a function on a thread of its own, and give or raise what it gives or raises.

    FFmpeg reads movies through our own Python functions, and loses an exception that comes while it
    is in one of them, or takes it for the end of the movie. Python raises interrupts in the main
    thread alone: there they interrupt this call at once, and the function ends by itself.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="posestream undisturbed")
    try:
        return pool.submit(function, *args, **kwargs).result()
    finally:
        pool.shutdown(wait=False)
