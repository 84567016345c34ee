"""Interrupts that come while FFmpeg reads a movie are not lost; patient threads give way."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from engine import Job, run
from engine.cli.inspection import inspect
from engine.machine.workers import patiently, undisturbed
from readers.ffmpeg import WatchedFile
from tests.engine.stopping import Loader
from tests.small_movies import small_movie


def test_it_gives_what_the_function_gives() -> None:
    assert undisturbed(divmod, 7, 3) == (2, 1)
    assert undisturbed(sorted, [1, 3, 2], reverse=True) == [3, 2, 1]


def test_it_raises_what_the_function_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        undisturbed(divmod, 7, 0)


def test_an_interrupt_does_not_wait_for_the_function() -> None:
    may_end = threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def interrupt_and_work() -> None:
        signal.pthread_kill(main, signal.SIGINT)
        may_end.wait(60)

    with pytest.raises(KeyboardInterrupt):
        undisturbed(interrupt_and_work)

    assert not may_end.is_set()
    may_end.set()


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an interrupt come when FFmpeg first moves about in a file."""
    seek = WatchedFile.seek
    is_due = [True]

    def interrupt_and_seek(file: WatchedFile, offset: int, whence: int = 0) -> int:
        if is_due.pop() if is_due else False:
            signal.raise_signal(signal.SIGINT)
        return seek(file, offset, whence)

    monkeypatch.setattr(WatchedFile, "seek", interrupt_and_seek)


@pytest.mark.usefixtures("interrupting")
def test_an_interrupt_while_a_movie_is_opened_ends_a_run(tmp_path: Path) -> None:
    movie = small_movie(tmp_path / "mouse.mp4")

    with pytest.raises(KeyboardInterrupt):
        run(Job([movie], tmp_path / "output"), load=Loader())


@pytest.mark.usefixtures("interrupting")
def test_an_interrupt_while_a_movie_is_opened_ends_an_inspection(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        inspect(small_movie(tmp_path / "mouse.mp4"))


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority elsewhere")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def niceness_of_a_child() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(niceness()))
    thread.start()
    thread.join()
    return found[0]


def test_what_is_called_gives_its_result() -> None:
    assert patiently(lambda: 7) == 7


def test_what_is_called_raises_its_error() -> None:
    def fails() -> None:
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        patiently(fails)


@on_linux
def test_a_thread_begun_patiently_gives_way() -> None:
    before = niceness()

    assert patiently(niceness_of_a_child) == min(before + 5, 19)


@on_linux
def test_the_thread_that_asks_does_not_give_way() -> None:
    before = niceness()

    patiently(niceness_of_a_child)

    assert niceness() == before
    assert niceness_of_a_child() == before
