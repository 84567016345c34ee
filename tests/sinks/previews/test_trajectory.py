"""Positions are kept while they are few, and counted by cells when they are many."""

import numpy as np

from sinks.previews.trajectory import NUM_EXACT_FRAMES, TrajectoryMap


def random_positions(num_frames: int) -> np.ndarray:
    random = np.random.default_rng(0)
    positions = random.uniform((-10, -10), (650, 490), (num_frames, 2, 2))
    positions[random.random((num_frames, 2)) < 0.2] = np.nan
    return positions


def accumulated(positions: np.ndarray, batch_size: int) -> TrajectoryMap:
    trajectory = TrajectoryMap(2, 640, 480)
    for first in range(0, len(positions), batch_size):
        trajectory.add(positions[first : first + batch_size])
    return trajectory


def test_a_short_movies_positions_are_all_there() -> None:
    positions = random_positions(NUM_EXACT_FRAMES)

    trajectory = accumulated(positions, 7)

    assert trajectory.is_exact
    for body_part in range(2):
        known = positions[~np.isnan(positions[:, body_part, 0]), body_part]
        np.testing.assert_array_equal(trajectory.positions(body_part), known)


def test_a_long_movies_positions_are_counted_where_they_are() -> None:
    positions = random_positions(3 * NUM_EXACT_FRAMES)

    trajectory = accumulated(positions, 11)

    left, right, bottom, top = trajectory.extent
    for body_part in range(2):
        visits = trajectory.visits(body_part)
        known = positions[~np.isnan(positions[:, body_part, 0]), body_part]
        expected, _, _ = np.histogram2d(
            known[:, 1], known[:, 0], bins=visits.shape, range=[(top, bottom), (left, right)]
        )
        np.testing.assert_array_equal(visits, expected)


def test_positions_far_outside_count_for_the_nearest_cell() -> None:
    positions = np.full((NUM_EXACT_FRAMES + 1, 2, 2), 1e6)

    trajectory = accumulated(positions, 1000)

    assert trajectory.visits(0)[-1, -1] == 255
    assert np.count_nonzero(trajectory.visits(0)) == 1
