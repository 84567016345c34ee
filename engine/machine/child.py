"""A function that runs in a child process, which has its own memory and may die alone."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from engine.errors import RunError

_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from engine.machine.child import work; work()"
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
    it is closed or when this process ends.

    Parameters
    ----------
    function
        Of a module, so that the new process finds it. It is given a function that tells values to
        this process, and the arguments.
    arguments
        What can be pickled.

    Raises
    ------
    RunError
        If no process can be started.
    """

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        task = pickle.dumps(sys.path) + pickle.dumps((function, arguments))
        self._timer: threading.Timer | None = None
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
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._kill_overdue)
        self._timer.daemon = True
        self._timer.start()

    def result(self, tell: Callable[[Any], None]) -> Any:
        """Wait for what the function returns; `tell` is called with what it tells meanwhile.

        Raises
        ------
        RunError
            If the function raises; the message is its error's, in one line.
        ChildDiedError, ChildHungError
            If the process ends before the function, by itself or by `kill_after`.
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
        if self._timer is not None:
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
    child = Child(function, *arguments)
    try:
        return child.result(tell)
    finally:
        child.close()


def work() -> None:
    """Call, in the child process, the function that comes by its standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process decides
    sender = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 -- no path
        os.dup2(nowhere.fileno(), 1)  # libraries may print
    try:
        function, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 -- of the other process
        threading.Thread(target=_end_with_other, daemon=True).start()
        answer = "returned", function(lambda value: _send(sender, ("told", value)), *arguments)
    except Exception as error:  # of any function
        answer = "failed", " ".join(f"{error}".split()) or type(error).__name__
    _send(sender, answer)
    os._exit(0)  # some runtime's threads take long to end, and nothing is left to write


def _send(sender: BinaryIO, message: tuple[str, Any]) -> None:
    sender.write(pickle.dumps(message))
    sender.flush()


def _end_with_other() -> None:
    """Wait until the other process closes our input, at the latest when it ends; end then."""
    sys.stdin.buffer.read()
    os._exit(1)
