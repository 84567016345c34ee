"""The streaming median equals scipy's over the whole movie."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.pipeline.median import MedianFilter
from sinks import PoseBatch
from tests.batches import pose_batches

window_lengths = st.integers(0, 25).map(lambda half: 2 * half + 1)
lengths = st.integers(0, 60)
batch_sizes = st.integers(1, 13)
seeds = st.integers(0, 2**32 - 1)


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
