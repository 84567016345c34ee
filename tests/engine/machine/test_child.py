"""Work in another process: what it tells and returns comes here, and so does its end."""

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import active_children
from typing import Any

import pytest

from engine.errors import RunError
from engine.machine.workers import ChildDiedError, run_in_child

Tell = Callable[[object], None]


def ignore(told: object) -> None:
    """Take what is told."""


class InterruptsWhoeverLoadsIt:
    """Sends Ctrl-C to the process that unpickles it, before that runs any code of ours."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Any, ...]]:
        return _interrupt_me, ()


def _interrupt_me() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def tell_all(tell: Tell, *values: object) -> list[object]:
    _interrupt_me()
    for value in values:
        tell(value)
    return [os.getpid(), *values]


def fail(tell: Tell, error: Exception) -> None:
    tell("so far")
    raise error


def kill_myself(tell: Tell) -> None:
    tell("so far")
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever(tell: Tell) -> None:
    tell(os.getpid())
    signal.pause()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_told_comes_in_order_and_then_the_result_whoever_interrupts(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told: list[object] = []

    pid, *returned = run_in_child(
        tell_all, 1, {"two": 2}, InterruptsWhoeverLoadsIt(), tell=told.append
    )

    assert told == returned == [1, {"two": 2}, None]
    assert pid != os.getpid()
    assert capfd.readouterr().err == ""
    assert active_children() == []


def test_interrupts_reach_this_process_as_before() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with pytest.raises(RunError):
        run_in_child(fail, ValueError("wrong"), tell=ignore)

    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    assert signal.SIGINT not in before


@pytest.mark.parametrize(
    ("error", "message"),
    [(ValueError("no such\n  thing"), "^no such thing$"), (MemoryError(), "^MemoryError$")],
    ids=["a message", "none"],
)
def test_an_error_there_is_an_error_here_in_one_line(error: Exception, message: str) -> None:
    told: list[object] = []
    with pytest.raises(RunError, match=message) as raised:
        run_in_child(fail, error, tell=told.append)

    assert not isinstance(raised.value, ChildDiedError)
    assert told == ["so far"]


def test_a_process_that_is_killed_is_told_apart() -> None:
    told: list[object] = []
    with pytest.raises(ChildDiedError, match=r"was stopped \(exit code -9\)"):
        run_in_child(kill_myself, tell=told.append)

    assert told == ["so far"]


def test_a_process_ends_when_it_is_no_longer_waited_for() -> None:
    pids: list[int] = []

    def interrupt(pid: int) -> None:
        pids.append(pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_child(wait_for_ever, tell=interrupt)

    assert not is_running(pids[0])


def test_what_cannot_be_sent_is_an_error_of_its_own() -> None:
    with pytest.raises(Exception, match="pickle"):
        run_in_child(sys.exit, lambda: None, tell=ignore)
