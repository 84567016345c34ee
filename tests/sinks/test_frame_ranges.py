"""Frames become ranges, however they come, and no more ranges are kept than can be read."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from sinks import FrameRanges
from sinks.base import MOST_RANGES


def naive_ranges(frames: list[int]) -> list[tuple[int, int]]:
    """Count up frame by frame."""
    ranges: list[tuple[int, int]] = []
    for frame in frames:
        if ranges and frame == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], frame)
        else:
            ranges.append((frame, frame))
    return ranges


@given(
    gaps=st.lists(st.sampled_from([1, 1, 1, 2, 7]), max_size=400),
    cuts=st.sets(st.integers(0, 400), max_size=30),
)
@example(gaps=[2] * 150, cuts=set())
@example(gaps=[2] * 101 + [1] * 9 + [2], cuts={103, 105, 109})
@example(gaps=[2] * 99 + [1] * 9, cuts={103, 105, 109})
def test_the_ranges_are_those_that_counting_frame_by_frame_finds(
    gaps: list[int], cuts: set[int]
) -> None:
    frames = np.cumsum(np.array(gaps, np.int64))
    gathered = FrameRanges()
    for start, end in pairwise([0, *sorted(cuts), 400]):
        gathered.add(frames[start:end])

    expected = naive_ranges(frames.tolist())
    assert gathered.ranges == expected[:MOST_RANGES]
    assert gathered.num_left_out == max(0, len(expected) - MOST_RANGES)
    assert gathered.num_frames == len(frames)


def test_memory_does_not_grow_with_the_movie() -> None:
    gathered = FrameRanges()
    for first in range(0, 2_000_000, 2000):
        gathered.add(np.arange(first, first + 2000, 2))

    assert len(gathered.ranges) == MOST_RANGES == 100
    assert gathered.num_left_out == 1_000_000 - 100


def test_ranges_are_plain_numbers_for_json() -> None:
    gathered = FrameRanges()
    gathered.add(np.array([4, 5]))

    assert {type(index) for index in gathered.ranges[0]} == {int}
