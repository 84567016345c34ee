"""Sliding medians equal scipy's, whatever the window, the number of windows and the ties."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.pipeline.sliding_median import BLOCK, LONGEST_SORTED, medians

halves = st.integers(1, 100)
numbers = st.integers(1, 100)
column_numbers = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def random_rows(
    seed: int, num_windows: int, half: int, num_columns: int, decimals: int
) -> NDArray[np.float64]:
    """Values with more ties the fewer decimals they have."""
    shape = (num_windows + 2 * half, num_columns)
    return np.random.default_rng(seed).normal(0, 3, shape).round(decimals)


def medfilt(rows: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    expected: NDArray[np.float64] = scipy.signal.medfilt(rows, (2 * half + 1, 1))
    return expected[half : len(rows) - half]


@given(seeds, numbers, halves, column_numbers, st.integers(0, 3))
@example(0, 64, 16, 2, 3)  # two sizes of groups
@example(0, 65, 100, 2, 3)  # three, and a group that is not full
@example(0, 256, 260, 1, 3)  # four
def test_medians_equal_medfilt_bit_for_bit(
    seed: int, num_windows: int, half: int, num_columns: int, decimals: int
) -> None:
    rows = random_rows(seed, num_windows, half, num_columns, decimals)

    np.testing.assert_array_equal(medians(rows, half), medfilt(rows, half))


@pytest.mark.parametrize("num_windows", [BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK - 1])
@pytest.mark.parametrize("half", [1, 2, 3, 50])
def test_many_windows_are_as_few(num_windows: int, half: int) -> None:
    rows = random_rows(3, num_windows, half, 2, 1)

    np.testing.assert_array_equal(medians(rows, half), medfilt(rows, half))


@pytest.mark.parametrize("half", [1, 3, 300])
def test_of_many_windows_only_those_at_the_ends_touch_padding(half: int) -> None:
    rows = random_rows(3, 2 * BLOCK + 1, half, 1, 1)
    rows[:half] = rows[-half:] = 0
    rows[[half + 1, half + BLOCK + 1, -half - 2]] = np.nan

    result = medians(rows, half, half, half)

    real = np.pad(rows[half:-half], ((half, half), (0, 0)), constant_values=np.nan)
    for index in np.flatnonzero(~np.isnan(rows[half:-half])):
        window = slice(index, index + 2 * half + 1)
        is_whole = not np.isnan(rows[window]).any()
        assert result[index] == (
            np.median(rows[window]) if is_whole else np.nanmedian(real[window])
        )


@given(seeds, numbers, halves)
def test_infinities_are_values_like_others(seed: int, num_windows: int, half: int) -> None:
    rows = random_rows(seed, num_windows, half, 2, 1)
    rows[rows > 2] = np.inf
    rows[rows < -2] = -np.inf

    np.testing.assert_array_equal(medians(rows, half), medfilt(rows, half))


@given(seeds, numbers, halves, st.sampled_from([0.002, 0.1, 0.9]), st.data())
def test_missing_values_stay_missing_and_their_neighbours_use_what_is_there(
    seed: int, num_windows: int, half: int, fraction: float, data: st.DataObject
) -> None:
    num_before, num_behind = data.draw(st.integers(0, half)), data.draw(st.integers(0, half))
    rows = random_rows(seed, num_windows, half, 2, 1)
    rows[np.random.default_rng(seed).random(rows.shape) < fraction] = np.nan
    is_padding = np.zeros(len(rows), np.bool_)
    is_padding[:num_before] = is_padding[len(rows) - num_behind :] = True
    rows[is_padding] = 0

    result = medians(rows, half, num_before, num_behind)

    for (index, column), value in np.ndenumerate(result):
        window = rows[index : index + 2 * half + 1, column]
        is_missing = np.isnan(window)
        if is_missing.any():
            window = window[~is_missing & ~is_padding[index : index + len(is_missing)]]
        if is_missing[half]:
            assert np.isnan(value)
        else:
            assert value == np.median(window)


@pytest.mark.parametrize("num_windows", [1, 8, 100])
def test_long_windows_equal_medfilt_too(num_windows: int) -> None:
    half = LONGEST_SORTED
    rows = random_rows(5, num_windows, half, 2, 1)

    np.testing.assert_array_equal(medians(rows, half), medfilt(rows, half))


def test_the_rows_are_left_alone() -> None:
    for half in (1, 2, 3, 50):
        rows = random_rows(4, 64, half, 2, 1)
        rows[half + 1] = np.nan
        before = rows.copy()

        medians(rows, half)

        np.testing.assert_array_equal(rows, before)
