"""A quick stand-in for `engine.machine.workers.Child`, for thousands of trials.

A process that has imported the runtime, and has run no model, forks one for each trial: that takes
a hundredth of the time of a start from nothing.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from engine.machine.workers import ChildDiedError, ChildHungError


class ForkedChild:
    """One trial; its methods are those of `Child`."""

    def __init__(self, function: Callable[..., Any], task: Any, most_mib: float) -> None:
        self._zygote = _zygote(task.loading.runtime)
        self._seconds = 0.0
        self._zygote.send((function, task, most_mib))

    def kill_after(self, seconds: float) -> None:
        self._seconds = seconds

    def result(self, tell: Callable[[Any], None]) -> Any:
        tell(None)
        self._zygote.send(self._seconds)
        kind, value = self._zygote.recv()
        if kind == "died":
            raise ChildDiedError(f"the process was stopped (exit code {value})")
        if kind == "hung":
            raise ChildHungError("the process took too long")
        return value

    def close(self) -> None: ...


@cache
def _zygote(runtime: str) -> Connection:
    ours, theirs = Pipe()
    if os.fork() == 0:
        ours.close()
        _serve(theirs, runtime)
    theirs.close()
    return ours


def _serve(connection: Connection, runtime: str) -> None:
    from engine.inference.deeplabcut import load

    load(runtime)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 2)
    while True:
        try:
            function, task, most_mib = connection.recv()
            connection.send(_run(function, task, most_mib, connection.recv()))
        except (EOFError, OSError):
            os._exit(0)


def _run(function: Callable[..., Any], task: Any, most_mib: float, seconds: float) -> Any:
    ours, theirs = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        theirs.send(("returned", function(lambda _: None, task, most_mib)))
        os._exit(0)
    theirs.close()
    with ours:
        is_over, _, _ = select.select([ours], [], [], seconds)
        if not is_over:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not is_over:
            return "hung", None
        try:
            return ours.recv()
        except EOFError:
            return "died", os.waitstatus_to_exitcode(status)
