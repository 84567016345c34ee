"""What work costs: by frame, by second, and what is left when a part is taken off."""

import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pipeline import batch_size as cost
from engine.pipeline.batch_size import Cost, Stopwatch

costs = st.builds(
    Cost,
    num_frames=st.integers(1, 10_000),
    wall_s=st.floats(1e-6, 1e6),
    core_s=st.floats(0, 1e6),
)


class Clock:
    """Both clocks of the system, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_s, self.core_s = 100.0, 50.0
        time = SimpleNamespace(perf_counter=lambda: self.wall_s, process_time=lambda: self.core_s)
        monkeypatch.setattr(cost, "time", time)

    def advance(self, wall_s: float, core_s: float) -> None:
        self.wall_s += wall_s
        self.core_s += core_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_speed_goes_by_the_clock_and_effort_by_the_processor() -> None:
    assert Cost(20, wall_s=4.0, core_s=7.0).frames_per_s == 5.0
    assert Cost(20, wall_s=4.0, core_s=7.0).core_s_per_frame == 0.35


def test_a_part_is_taken_off_for_as_many_frames() -> None:
    whole, part = Cost(10, wall_s=8.0, core_s=6.0), Cost(40, wall_s=12.0, core_s=4.0)

    assert whole.without(part) == Cost(10, wall_s=5.0, core_s=5.0)


@given(part=costs, rest=costs)
def test_of_a_whole_without_a_part_the_rest_is_left(part: Cost, rest: Cost) -> None:
    frames = rest.num_frames / part.num_frames
    whole = Cost(
        rest.num_frames,
        rest.wall_s + frames * part.wall_s,
        rest.core_s + frames * part.core_s,
    )

    left = whole.without(part)

    assert left.num_frames == rest.num_frames
    assert left.wall_s == pytest.approx(rest.wall_s, abs=1e-9 * whole.wall_s + 1e-9)
    assert left.core_s == pytest.approx(rest.core_s, abs=1e-9 * whole.core_s)


@given(whole=costs, part=costs)
def test_what_is_left_can_be_divided_by(whole: Cost, part: Cost) -> None:
    left = whole.without(part)

    assert left.wall_s > 0
    assert left.core_s >= 0


def test_a_stopwatch_adds_up_what_happens_while_it_runs(clock: Clock) -> None:
    watch = Stopwatch()
    with watch.running():
        clock.advance(2.0, 1.0)
    clock.advance(30.0, 30.0)
    with watch.running():
        clock.advance(0.5, 0.75)

    assert watch.cost(5) == Cost(5, wall_s=2.5, core_s=1.75)


def test_a_stopwatch_stops_where_work_fails(clock: Clock) -> None:
    watch = Stopwatch()
    with suppress(ValueError), watch.running():
        clock.advance(2.0, 1.0)
        raise ValueError
    clock.advance(30.0, 30.0)

    assert watch.cost(1) == Cost(1, wall_s=2.0, core_s=1.0)


def test_a_stopwatch_that_never_ran_has_a_speed() -> None:
    assert Stopwatch().cost(3).frames_per_s > 0


def test_the_work_of_other_threads_counts() -> None:
    def work() -> None:
        while time.thread_time() < 0.02:
            pass

    watch = Stopwatch()
    with watch.running():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert watch.core_s >= 0.02
