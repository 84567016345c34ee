"""Work in a process of its own: its memory is its own, and it may die without us."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from engine.errors import RunError


class ChildDiedError(RunError):
    """The process ended without a word: the system has stopped it, most likely for its memory."""


def run_in_child(
    function: Callable[..., Any], *arguments: object, tell: Callable[[Any], None]
) -> Any:
    """Call ``function(tell, *arguments)`` in a new process and return what it returns.

    Parameters
    ----------
    function
        Of a module, so that the new process finds it.
    arguments
        What it is given after its `tell`.
    tell
        Is called here with whatever the function tells there.

    Raises
    ------
    RunError
        If the function raises; the message is its error's, in one line.
    ChildDiedError
        If the process ends before the function.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, function, arguments), daemon=True)
    try:
        with _interrupts_put_off():
            process.start()
        sender.close()
        while True:
            kind, value = receiver.recv()
            if kind == "told":
                tell(value)
            elif kind == "failed":
                raise RunError(value)
            else:
                return value
    except EOFError:
        process.join()
        raise ChildDiedError(f"the process was stopped (exit code {process.exitcode})") from None
    finally:
        if process.pid is not None:  # it was started
            process.kill()
            process.join()
        receiver.close()


@contextmanager
def _interrupts_put_off() -> Iterator[None]:
    """Hold Ctrl-C back within the block, and for good in a process that is started there.

    Ctrl-C reaches that one too, and would find it without a handler while it still imports.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(sender: Connection, function: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; the parent ends us
    try:
        result = function(lambda value: sender.send(("told", value)), *arguments)
    except Exception as error:
        sender.send(("failed", " ".join(f"{error}".split()) or type(error).__name__))
    else:
        sender.send(("returned", result))
    sender.close()
    os._exit(0)  # some runtime's threads take long to end, and nothing is left to write
