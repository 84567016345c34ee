"""Calls in a child process, which may die alone, and on threads, out of the way of others."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any, ParamSpec, TypeVar

from engine.errors import RunError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_NICENESS = 5  # a third of the processor's time where it is short
_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from engine.machine.workers import work; work()"
)
_NEW_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # on Windows
"""Ctrl-C and the end of a terminal reach this process alone, which then ends the other."""


class ChildDiedError(RunError):
    """The process ended without an answer: the system stopped it, most likely for its memory."""


class ChildHungError(RunError):
    """The process took longer than it was allowed to."""


class Child:
    """A function that is called in a new process, from now on.

    The process imports no main module, so that programs may call this from theirs, and it ends when
    it is closed or when this process ends. A `RunError` says that none can be started.

    The function is one of a module, so that the new process finds it. It is given a function that
    tells values to this process, and the arguments, which can be pickled.
    """

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        task = pickle.dumps(sys.path) + pickle.dumps((function, arguments))
        self._timer = threading.Timer(0, self._kill_overdue)  # not started yet
        self._is_overdue = False
        command = [sys.executable, "-P", "-c", _START]
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- our own code
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                creationflags=_NEW_GROUP,
            )
        except OSError as error:
            raise RunError(f"no other process can be started ({error.strerror})") from error
        assert self._process.stdin is not None  # noqa: S101 -- both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        with suppress(OSError):  # it has died already, which `result` tells
            self._stdin.write(task)
            self._stdin.flush()

    def kill_after(self, seconds: float) -> None:
        """End the process if it takes longer, counted from now; an earlier limit is forgotten."""
        self._timer.cancel()
        self._timer = threading.Timer(seconds, self._kill_overdue)
        self._timer.daemon = True
        self._timer.start()

    def result(self, tell: Callable[[Any], None]) -> Any:
        """Wait for what the function returns; `tell` is called with what it tells meanwhile.

        An error of the function is a `RunError` of one line. `ChildDiedError` and `ChildHungError`
        are raised where the process ends before the function, by itself or by `kill_after`.
        """
        while True:
            try:
                kind, value = pickle.load(self._stdout)  # noqa: S301 -- of our own process
            except (EOFError, pickle.UnpicklingError):
                code = self._process.wait()
                if self._is_overdue:
                    raise ChildHungError("the process took too long") from None
                raise ChildDiedError(f"the process was stopped (exit code {code})") from None
            if kind == "failed":
                raise RunError(value)
            if kind == "returned":
                return value
            tell(value)

    def _kill_overdue(self) -> None:
        self._is_overdue = True
        self._process.kill()

    def close(self) -> None:
        """End the process, whatever it does."""
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):  # what it was told cannot be read any more
                pipe.close()


def run_in_child(
    function: Callable[..., Any], *arguments: object, tell: Callable[[Any], None]
) -> Any:
    """Call ``function(tell, *arguments)`` in a new process, and return what it returns.

    See `Child`, and `Child.result` for errors.
    """
    with closing(Child(function, *arguments)) as child:
        return child.result(tell)


def work() -> None:
    """Call, in the child process, the function that comes by its standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process decides
    sender = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 -- no path
        os.dup2(nowhere.fileno(), 1)  # libraries may print

    def send(kind: str, value: object) -> None:
        sender.write(pickle.dumps((kind, value)))
        sender.flush()

    def end_with_other() -> None:
        sys.stdin.buffer.read()  # until the other process closes it, at the latest by its end
        os._exit(1)

    try:
        function, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 -- of the other process
        threading.Thread(target=end_with_other, daemon=True).start()
        answer = "returned", function(lambda value: send("told", value), *arguments)
    except Exception as error:  # of any function
        answer = "failed", " ".join(f"{error}".split()) or type(error).__name__
    send(*answer)
    os._exit(0)  # some runtime's threads take long to end, and nothing is left to write


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

    def give_way() -> None:
        if sys.platform == "linux":
            niceness = min(os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS, 19)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)

    with ThreadPoolExecutor(1, initializer=give_way) as pool:
        return pool.submit(function).result()
