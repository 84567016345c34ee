"""Latencies of the last minute, as numpy would count them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.watch.status import Latency

CAPACITY = 16


@given(
    batches=st.lists(
        st.tuples(
            st.lists(st.floats(0, 10) | st.just(float("nan")), max_size=40), st.floats(0, 30)
        ),
        max_size=12,
    ),
    wait_s=st.floats(0, 100),
)
def test_percentiles_are_those_of_the_frames_within_window_and_capacity(
    batches: list[tuple[list[float], float]], wait_s: float
) -> None:
    latency = Latency(window_s=60.0, capacity=CAPACITY)
    kept: list[tuple[float, float]] = []
    now_s = 1000.0
    for latencies, step_s in batches:
        now_s += step_s
        latency.add(np.array(latencies, np.float64), now_s)
        kept += [(value, now_s) for value in latencies]
    now_s += wait_s
    counted = [
        value for value, time_s in kept[-CAPACITY:] if time_s >= now_s - 60 and not np.isnan(value)
    ]

    found = latency.percentiles(now_s)

    if not counted:
        assert found is None
        return
    assert found is not None
    truth = np.percentile(counted, (50, 95, 99))
    np.testing.assert_allclose((found.p50_s, found.p95_s, found.p99_s), truth)


def test_nothing_is_told_before_the_first_frame() -> None:
    assert Latency().percentiles(5.0) is None


def test_the_default_holds_a_minute_of_thirty_frames_a_second() -> None:
    latency = Latency()
    for index in range(3600):
        latency.add(np.array([float(index)]), index / 30)

    found = latency.percentiles(3599 / 30)

    assert found is not None
    assert found.p50_s == pytest.approx(np.percentile(np.arange(1799, 3600), 50))
