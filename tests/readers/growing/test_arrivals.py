"""The arrival of each byte is remembered in bounded memory, and never told too early."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers.growing.growing_file import Arrivals

growths = st.lists(st.integers(1, 100), min_size=1, max_size=300)


@given(steps=growths, queries=st.lists(st.integers(1, 30_000)))
def test_a_byte_arrived_with_the_first_size_that_reached_it(
    steps: list[int], queries: list[int]
) -> None:
    arrivals, size, arrived_s = Arrivals(), 0, []
    for time_s, step in enumerate(steps):
        size += step
        arrivals.note(size, float(time_s))
        arrived_s += [float(time_s)] * step

    assert arrivals.size == size
    for query in sorted(queries):
        assert arrivals.when(query) == arrived_s[min(query, size) - 1]


@given(steps=growths, most_pairs=st.integers(2, 20))
def test_memory_is_bounded_and_no_byte_seems_to_arrive_too_early(
    steps: list[int], most_pairs: int
) -> None:
    arrivals, size, ends = Arrivals(most_pairs), 0, []
    for time_s, step in enumerate(steps):
        size += step
        arrivals.note(size, float(time_s))
        ends.append(size)
        assert len(arrivals) <= most_pairs
        assert arrivals.size == size

    for time_s, end in enumerate(ends):
        assert time_s <= arrivals.when(end) < len(steps)


def test_a_size_that_is_no_larger_is_passed_over() -> None:
    arrivals = Arrivals()
    arrivals.note(10, 1.0)
    arrivals.note(10, 2.0)
    arrivals.note(4, 3.0)

    assert arrivals.when(10) == 1.0


def test_nothing_has_arrived() -> None:
    with pytest.raises(IndexError):
        Arrivals().when(1)
