"""Frame-to-frame differences are counted as numpy counts them over the whole movie."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from sinks.previews.reductions import NUM_EXACT_FRAMES, StepHistogram


def random_walk(num_frames: int, num_lines: int = 3) -> NDArray[np.float64]:
    random = np.random.default_rng(num_frames)
    walk: NDArray[np.float64] = random.normal(0, 3, (num_frames, num_lines)).cumsum(axis=0)
    values = 300 + walk % 300
    values[random.random(num_frames) < 0.1] = np.nan
    return values


def accumulated(
    values: NDArray[np.float64], batch_size: int, largest_expected: float
) -> StepHistogram:
    histogram = StepHistogram(values.shape[1], largest_expected)
    for first in range(0, len(values), batch_size):
        part = values[first : first + batch_size]
        histogram.add(part, float(np.fmax.reduce(part, axis=None)))
    return histogram


def whole(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    edges = np.linspace(0, np.nanmax(values), 100)
    steps = np.diff(values, axis=0)
    return edges, [line[np.isfinite(line)] for line in steps.T]


@pytest.mark.parametrize("batch_size", [1, 7, 5000])
def test_short_movies_are_counted_exactly(batch_size: int) -> None:
    values = random_walk(NUM_EXACT_FRAMES)

    edges, counts = accumulated(values, batch_size, 640).counts()

    expected_edges, steps = whole(values)
    np.testing.assert_array_equal(edges, expected_edges)
    for line, line_steps in enumerate(steps):
        np.testing.assert_array_equal(counts[line], np.histogram(line_steps, edges)[0])


@pytest.mark.parametrize("largest_expected", [640.0, 10.0])
def test_long_movies_are_counted_within_half_a_fine_bin(largest_expected: float) -> None:
    values = random_walk(3 * NUM_EXACT_FRAMES)

    edges, counts = accumulated(values, 100, largest_expected).counts()

    expected_edges, steps = whole(values)
    np.testing.assert_array_equal(edges, expected_edges)
    tolerance = 640 / 8192
    for line, line_steps in enumerate(steps):
        at_most = [
            np.count_nonzero((line_steps >= low - tolerance) & (line_steps <= high + tolerance))
            for low, high in pairwise(edges)
        ]
        assert (counts[line] <= at_most).all()
        assert counts[line].sum() == np.count_nonzero(line_steps >= 0)


def test_the_batch_size_does_not_matter() -> None:
    values = random_walk(2 * NUM_EXACT_FRAMES)

    one, other = (accumulated(values, size, 10).counts()[1] for size in (3, 1000))

    np.testing.assert_array_equal(one, other)
