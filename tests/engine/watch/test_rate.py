"""Frames per second, from running totals."""

import pytest

from engine.watch.status import Rate


def noted(*totals: tuple[float, int]) -> Rate:
    rate = Rate(window_s=5.0)
    for time_s, total in totals:
        rate.note(time_s, total)
    return rate


def test_a_rate_needs_two_moments() -> None:
    assert noted().per_s() is None
    assert noted((1.0, 5)).per_s() is None
    assert noted((1.0, 5), (1.0, 9)).per_s() is None


def test_it_is_the_mean_of_the_window() -> None:
    rate = noted(*((second / 10, 3 * second) for second in range(100)))

    assert rate.per_s() == pytest.approx(30)


def test_what_is_older_does_not_count() -> None:
    rate = noted(*((float(second), 1000 * min(second, 20)) for second in range(31)))

    assert rate.per_s() == 0


def test_a_total_that_went_back_counts_as_none() -> None:
    assert noted((0.0, 50), (1.0, 40)).per_s() == 0


def test_memory_is_bounded_however_often_it_is_told() -> None:
    rate = noted(*((index / 10_000, index) for index in range(100_000)))

    assert len(rate._totals) < 60
    assert rate.per_s() == pytest.approx(10_000, rel=0.05)
