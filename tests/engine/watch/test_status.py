"""The numbers of a live run add up."""

import json
import math
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from engine.watch.status import Status
from readers import FrameBatch, FrameStatus
from sinks import PoseBatch

DECODED, SKIPPED = FrameStatus.DECODED, FrameStatus.SKIPPED


@dataclass
class Recording:
    num_arrived: int = 0
    ended_by: str | None = None


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def batch(first: int, status: list[FrameStatus], arrival_time_s: float) -> PoseBatch:
    n = len(status)
    frames = FrameBatch(
        first,
        np.zeros((n, 2, 2, 3), np.uint8),
        np.arange(n) / 30,
        np.full(n, np.nan),
        np.array(status, np.uint8),
        np.full(n, arrival_time_s),
    )
    return PoseBatch(frames, np.zeros((n, 1, 3)))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def status(clock: Clock) -> Status:
    return Status(clock=clock, memory_mib=lambda: 321.5)


def test_before_the_first_movie_nothing_is_known(status: Status) -> None:
    told = status.snapshot()

    assert (told.movie, told.num_arrived, told.latency, told.batch_size) == (None, 0, None, None)
    assert told.memory_mib == 321.5


def test_frames_are_counted_and_what_waits_is_the_rest(status: Status, clock: Clock) -> None:
    status.begin_movie("a.isxb", 0, Recording(num_arrived=20))
    status.published(batch(0, [DECODED], clock.now_s - 0.005), clock.now_s)
    status.published(batch(1, [SKIPPED] * 4 + [DECODED], clock.now_s - 0.025), clock.now_s)

    told = status.snapshot()

    assert (told.num_arrived, told.num_published, told.num_skipped) == (20, 2, 4)
    assert told.backlog == status.backlog() == 14
    assert told.batch_size == 1
    assert told.latency is not None  # of the frames that were looked at
    assert told.latency.p50_s == pytest.approx(0.015)


def test_frames_that_an_earlier_run_has_done_do_not_wait(status: Status) -> None:
    status.begin_movie("a.isxb", 0, Recording(num_arrived=20), num_known_frames=12)

    assert status.snapshot().backlog == 8


def test_each_movie_counts_from_the_start_and_rates_go_on(status: Status, clock: Clock) -> None:
    first = Recording(num_arrived=30)
    status.begin_movie("a.isxb", 0, first)
    status.published(batch(0, [DECODED] * 30, clock.now_s), clock.now_s)
    clock.now_s += 1
    first.ended_by = "closed"
    assert status.snapshot().ended_by == "closed"
    second = Recording()
    status.begin_movie("b.isxb", 1, second)
    clock.now_s += 1
    second.num_arrived = 30
    status.published(batch(0, [DECODED] * 30, clock.now_s), clock.now_s)

    told = status.snapshot()

    assert (told.movie, told.movie_number, told.num_published) == ("b.isxb", 1, 30)
    assert told.ended_by is None
    assert told.fps_in == pytest.approx(15, abs=1)


def test_a_movie_that_has_ended_is_let_go_of_and_its_numbers_stay(status: Status) -> None:
    recording = Recording(num_arrived=7)
    status.begin_movie("a.isxb", 0, recording)
    recording.num_arrived, recording.ended_by = 9, "silent"

    status.end()
    recording.num_arrived = 99

    told = status.snapshot()
    assert (told.num_arrived, told.ended_by, told.is_over) == (9, "silent", True)


def test_only_the_last_warnings_are_kept(status: Status) -> None:
    for number in range(50):
        status.warn(f"warning {number}")

    assert status.snapshot().warnings == tuple(f"warning {number}" for number in range(30, 50))


def test_it_is_json_whatever_is_unknown(clock: Clock) -> None:
    status = Status(clock=clock, memory_mib=lambda: math.nan, num_unsent=lambda: 3)

    told = json.loads(json.dumps(status.snapshot().as_json(), allow_nan=False))

    assert told["memory_mib"] is None
    assert told["latency_ms"] is None
    assert told["num_unsent"] == 3


def test_latencies_are_told_in_milliseconds(status: Status, clock: Clock) -> None:
    status.begin_movie("a.isxb", 0, Recording(num_arrived=1))
    status.published(batch(0, [DECODED], clock.now_s - 0.0123), clock.now_s)

    assert status.snapshot().as_json()["latency_ms"] == {"p50": 12.3, "p95": 12.3, "p99": 12.3}


@pytest.fixture
def often_switching_threads() -> Iterator[None]:
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual_s)


@pytest.mark.usefixtures("often_switching_threads")
def test_numbers_add_up_at_any_moment_while_another_thread_publishes(status: Status) -> None:
    status.begin_movie("a.isxb", 0, Recording(num_arrived=4000))
    batches = [batch(first, [SKIPPED, DECODED], 999.0) for first in range(0, 4000, 2)]

    def publish() -> None:
        for published in batches:
            status.published(published, 1000.0)

    publisher = threading.Thread(target=publish)
    publisher.start()
    sums, is_last = set(), False
    while not is_last:
        is_last = not publisher.is_alive()
        told = status.snapshot()
        sums.add(told.num_published + told.num_skipped + told.backlog)
        assert told.num_published == told.num_skipped

    assert sums == {4000}
    assert (told.num_published, told.backlog) == (2000, 0)
