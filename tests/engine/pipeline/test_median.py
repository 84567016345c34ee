"""The streaming median equals scipy's over the whole movie."""

import tracemalloc

import numpy as np
import pytest
import scipy.signal
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.pipeline.median import MedianFilter, medians
from sinks import PoseBatch
from tests.batches import pose_batches

window_lengths = st.integers(0, 25).map(lambda half: 2 * half + 1)
lengths = st.integers(0, 60)
batch_sizes = st.integers(1, 13)
seeds = st.integers(0, 2**32 - 1)
halves = st.integers(1, 100)
numbers = st.integers(1, 100)


def random_poses(seed: int, num_frames: int) -> NDArray[np.float64]:
    """Poses with many equal values, where a wrong order of ties would show."""
    return np.random.default_rng(seed).normal(0, 3, (num_frames, 3, 3)).round(1)


def filtered(poses: NDArray[np.float64], window_length: int, batch_size: int) -> list[PoseBatch]:
    median = MedianFilter(window_length)
    released = []
    for batch in pose_batches(poses, batch_size):
        released += median.push(batch)
    return released + median.flush()


def poses_of(batches: list[PoseBatch]) -> NDArray[np.float64]:
    return np.concatenate([np.empty((0, 3, 3)), *(batch.poses for batch in batches)])


@pytest.mark.filterwarnings("ignore:kernel_size exceeds volume extent")  # and pads, as we do
@given(seeds, lengths, window_lengths, batch_sizes)
def test_x_and_y_equal_medfilt_bit_for_bit(
    seed: int, num_frames: int, window_length: int, batch_size: int
) -> None:
    poses = random_poses(seed, num_frames)

    result = poses_of(filtered(poses, window_length, batch_size))

    expected = poses.copy()
    if num_frames:
        expected[..., :2] = scipy.signal.medfilt(poses[..., :2], (window_length, 1, 1))
    np.testing.assert_array_equal(result, expected)


@given(lengths, window_lengths, batch_sizes)
def test_every_batch_comes_out_whole_with_its_frames_and_in_order(
    num_frames: int, window_length: int, batch_size: int
) -> None:
    poses = random_poses(0, num_frames)
    given_batches = list(pose_batches(poses, batch_size))

    result = filtered(poses, window_length, batch_size)

    for before, after in zip(given_batches, result, strict=True):
        assert after.frames.first_frame_index == before.frames.first_frame_index
        np.testing.assert_array_equal(after.frames.images, before.frames.images)


@given(lengths, window_lengths, batch_sizes)
def test_no_more_batches_are_held_than_announced(
    num_frames: int, window_length: int, batch_size: int
) -> None:
    median = MedianFilter(window_length)
    held = 0
    for batch in pose_batches(random_poses(0, num_frames), batch_size):
        held += 1 - len(median.push(batch))
        assert held <= median.num_held_batches(batch_size)


@pytest.mark.filterwarnings("ignore:kernel_size exceeds volume extent")  # and pads, as we do
@given(seeds, lengths, window_lengths, batch_sizes, st.sampled_from([0.02, 0.3, 0.95]))
def test_windows_with_a_missing_pose_take_the_median_of_the_poses_that_are_there(
    seed: int, num_frames: int, window_length: int, batch_size: int, fraction: float
) -> None:
    poses = random_poses(seed, num_frames)
    is_missing = np.random.default_rng(seed).random(num_frames) < fraction
    poses[is_missing] = np.nan

    result = poses_of(filtered(poses, window_length, batch_size))

    expected = poses.copy()
    if num_frames:  # where nothing is missing
        expected[..., :2] = scipy.signal.medfilt(poses[..., :2], (window_length, 1, 1))
    half = window_length // 2
    for index in range(num_frames):
        window = slice(max(0, index - half), index + half + 1)
        if is_missing[index]:
            expected[index] = np.nan
        elif is_missing[window].any():
            expected[index, :, :2] = np.nanmedian(poses[window, :, :2], axis=0)
    np.testing.assert_array_equal(result, expected)


def test_a_gap_near_an_end_does_not_draw_poses_towards_zero() -> None:
    poses = np.full((9, 3, 3), 100.0)
    poses[[1, 2, 6, 7]] = np.nan

    result = poses_of(filtered(poses, 5, 4))

    np.testing.assert_array_equal(result, poses)


def test_a_filter_starts_afresh_after_a_flush() -> None:
    poses = random_poses(1, 20)
    poses[1] = np.nan
    median = MedianFilter(5)
    results = []
    for _ in range(2):
        released = [out for batch in pose_batches(poses, 3) for out in median.push(batch)]
        results.append(poses_of(released + median.flush()))

    np.testing.assert_array_equal(results[0], results[1])


def test_the_batches_that_came_in_are_left_alone() -> None:
    poses = random_poses(1, 9)
    before = poses.copy()

    filtered(poses, 5, 2)

    np.testing.assert_array_equal(poses, before)


def random_rows(
    seed: int, num_windows: int, half: int, num_columns: int = 2, decimals: int = 1
) -> NDArray[np.float64]:
    """Values with more ties the fewer decimals they have."""
    shape = (num_windows + 2 * half, num_columns)
    return np.random.default_rng(seed).normal(0, 3, shape).round(decimals)


def medians_without_padding(rows: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    return medians(rows, np.zeros(len(rows), np.bool_), half)


def medfilt(rows: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    expected: NDArray[np.float64] = scipy.signal.medfilt(rows, (2 * half + 1, 1))
    return expected[half : len(rows) - half]


@given(seeds, numbers, halves, st.integers(1, 5), st.integers(0, 3))
@example(0, 1, 100, 1, 3)  # a window alone
@example(0, 64, 64, 2, 3)  # groups that are all full
@example(0, 65, 100, 2, 3)  # one that is not
@example(0, 8, 1000, 2, 1)  # fewer windows than a group would have
@example(0, 9000, 3, 1, 1)  # more than are worked on at a time
@example(0, 5, 8, 5000, 1)  # more columns than values that are worked on at a time
def test_medians_equal_medfilt_bit_for_bit(
    seed: int, num_windows: int, half: int, num_columns: int, decimals: int
) -> None:
    rows = random_rows(seed, num_windows, half, num_columns, decimals)

    np.testing.assert_array_equal(medians_without_padding(rows, half), medfilt(rows, half))


@given(seeds, numbers, halves)
def test_infinities_are_values_like_others(seed: int, num_windows: int, half: int) -> None:
    rows = random_rows(seed, num_windows, half)
    rows[rows > 2] = np.inf
    rows[rows < -2] = -np.inf

    np.testing.assert_array_equal(medians_without_padding(rows, half), medfilt(rows, half))


@given(seeds, numbers, halves, st.sampled_from([0.002, 0.1, 0.9]), st.data())
def test_missing_values_stay_missing_and_their_neighbours_use_what_is_there(
    seed: int, num_windows: int, half: int, fraction: float, data: st.DataObject
) -> None:
    num_before, num_behind = data.draw(st.integers(0, half)), data.draw(st.integers(0, half))
    rows = random_rows(seed, num_windows, half)
    rows[np.random.default_rng(seed).random(rows.shape) < fraction] = np.nan
    is_padding = np.zeros(len(rows), np.bool_)
    is_padding[:num_before] = is_padding[len(rows) - num_behind :] = True
    rows[is_padding] = 0

    result = medians(rows, is_padding, half)

    for (index, column), value in np.ndenumerate(result):
        window = rows[index : index + 2 * half + 1, column]
        is_missing = np.isnan(window)
        if is_missing.any():
            window = window[~is_missing & ~is_padding[index : index + len(is_missing)]]
        if is_missing[half]:
            assert np.isnan(value)
        else:
            assert value == np.median(window)


@pytest.mark.parametrize("half", [1, 3, 300])
def test_of_many_windows_only_those_at_the_ends_touch_padding(half: int) -> None:
    rows = random_rows(3, 9001, half, num_columns=1)
    is_padding = np.ones(len(rows), np.bool_)
    is_padding[half:-half] = False
    rows[is_padding] = 0
    rows[[half + 1, half + 5000, -half - 2]] = np.nan

    result = medians(rows, is_padding, half)

    real = np.where(is_padding[:, np.newaxis], np.nan, rows)
    for index in np.flatnonzero(~np.isnan(rows[half:-half])):
        window = slice(index, index + 2 * half + 1)
        is_whole = not np.isnan(rows[window]).any()
        expected = np.median(rows[window]) if is_whole else np.nanmedian(real[window])
        assert result[index] == expected


def test_wide_windows_with_gaps_take_no_more_memory_than_a_few_windows() -> None:
    half, num_windows = 5000, 500
    rows = random_rows(0, num_windows, half)
    rows[half + 100] = np.nan

    tracemalloc.start()
    result = medians_without_padding(rows, half)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    np.testing.assert_array_equal(result[101], np.nanmedian(rows[101 : 102 + 2 * half], axis=0))
    assert peak_bytes < 16 * 2**20  # all windows at once: 80 MB


@pytest.mark.parametrize("half", [1, 2, 3, 50])
def test_the_rows_are_left_alone(half: int) -> None:
    rows = random_rows(4, 64, half)
    rows[half + 1] = np.nan
    before = rows.copy()

    medians_without_padding(rows, half)

    np.testing.assert_array_equal(rows, before)
