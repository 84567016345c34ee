"""Positions are kept while they are few, and counted by cells when they are many."""

import numpy as np
from numpy.typing import NDArray

from sinks.previews.reductions import CELLS_PER_SIDE, MARGIN, NUM_EXACT_FRAMES, TrajectoryMap


def random_positions(num_frames: int) -> NDArray[np.float64]:
    random = np.random.default_rng(0)
    positions = random.uniform((-10, -10), (650, 490), (num_frames, 2, 2))
    positions[random.random((num_frames, 2)) < 0.2] = np.nan
    return positions


def accumulated(positions: NDArray[np.float64], batch_size: int) -> TrajectoryMap:
    trajectory = TrajectoryMap(2, 640, 480)
    for first in range(0, len(positions), batch_size):
        trajectory.add(positions[first : first + batch_size])
    return trajectory


def test_a_short_movies_positions_are_all_there() -> None:
    positions = random_positions(NUM_EXACT_FRAMES)

    trajectory = accumulated(positions, 7)

    for body_part in range(2):
        known = positions[~np.isnan(positions[:, body_part, 0]), body_part]
        points, visits = trajectory.points(body_part)
        np.testing.assert_array_equal(points, known)
        assert (visits == 1).all()


def test_a_long_movies_positions_are_counted_where_they_are() -> None:
    positions = random_positions(3 * NUM_EXACT_FRAMES)

    trajectory = accumulated(positions, 11)

    for body_part in range(2):
        points, visits = trajectory.points(body_part)
        known = positions[~np.isnan(positions[:, body_part, 0]), body_part]
        expected, x_edges, y_edges = np.histogram2d(
            known[:, 0],
            known[:, 1],
            bins=CELLS_PER_SIDE,
            range=[(-MARGIN * side, (1 + MARGIN) * side) for side in (640, 480)],
        )
        found, _, _ = np.histogram2d(
            points[:, 0], points[:, 1], bins=[x_edges, y_edges], weights=visits
        )
        np.testing.assert_array_equal(found, expected)


def test_positions_far_outside_count_for_the_nearest_cell() -> None:
    positions = np.full((NUM_EXACT_FRAMES + 1, 2, 2), 1e6)

    trajectory = accumulated(positions, 1000)

    points, visits = trajectory.points(0)
    assert visits.tolist() == [255]
    np.testing.assert_allclose(points, [(1.25 * 640, 1.25 * 480)], atol=2)
