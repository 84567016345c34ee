"""A guard for tests of what must never wait."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

LONGEST_TEST_S = 60


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """Fail a test that waits for ever; those that pass need seconds at most."""

    def fail(_signal: int, _frame: FrameType | None) -> None:
        # No OSError, which the publishers would take for a subscriber's.
        pytest.fail("the test waits for something that does not come")

    before = signal.signal(signal.SIGALRM, fail)
    # Again and again, since what is done on the way out may wait as well.
    signal.setitimer(signal.ITIMER_REAL, LONGEST_TEST_S, 1)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
