"""Threads begun patiently let the others go first; those that begun them do not."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from engine.machine.priority import patiently

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
