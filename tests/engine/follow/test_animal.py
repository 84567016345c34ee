"""What is known of an animal is enough to find it again, and no more than the poses tell."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.follow.animal import Animal
from engine.pipeline.prediction import Look

Points = list[tuple[float, float]]


def pose(points: Points, likelihood: list[float] | float = 0.9) -> NDArray[np.float64]:
    poses = np.empty((len(points), 3))
    poses[:, :2] = points
    poses[:, 2] = likelihood
    return poses


def seen(*poses: NDArray[np.float64]) -> Animal:
    """Give what is known after some frames."""
    animal = Animal.unknown(len(poses[0]))
    for each in poses:
        animal = animal.after(each)
    return animal


MOUSE = [(100.0, 100.0), (120.0, 100.0), (150.0, 100.0)]


def test_before_the_first_frame_it_may_be_anywhere() -> None:
    animal = Animal.unknown(3)

    assert not animal.is_found
    assert animal.region(1) is None


def test_a_region_holds_the_points_and_the_way_that_they_go_on() -> None:
    ahead = [(x + 5, y) for x, y in MOUSE]

    region = seen(*[pose(MOUSE)] * 40, pose(ahead)).region(4)

    assert region is not None
    assert region.left < 105
    assert region.right > 155 + 4 * 5
    assert region.right < 155 + 4 * 5 + 4 * 5
    assert region.top > 100 - 4 * 5


def test_the_fewer_frames_ahead_the_less_of_its_way_may_be_another() -> None:
    speed_px = 5.0
    walking = seen(*[pose(MOUSE)] * 40, pose([(x + speed_px, y) for x, y in MOUSE]))

    def slack_px(num_frames: int) -> float:
        region = walking.region(num_frames)
        assert region is not None
        return region.right - (155 + num_frames * speed_px)

    slacks_px = np.array([slack_px(num_frames) for num_frames in (1, 2, 4, 8, 16)])

    # Half of a steady change of speed times time squared; from 8 frames on, a share of the way.
    shares = (slacks_px - slacks_px[0]) / speed_px
    np.testing.assert_allclose(shares, [0, 3 / 40, 15 / 40, 63 / 40, 127 / 40])


def test_a_part_that_is_hidden_may_be_as_far_off_as_it_ever_was() -> None:
    hidden = [seen(*[pose(MOUSE)] * 40)]
    for _ in range(200):
        hidden.append(hidden[-1].after(pose(MOUSE, [0.9, 0.9, 0.1])))

    places = hidden[-1].places_of_unseen()

    assert places is not None
    low, high = places
    assert low[0] <= 150 <= high[0] <= 120 + 1.25 * 30 + 5
    assert high[0] >= 150
    assert low[1] <= 100 <= high[1]


def test_a_part_that_was_just_seen_is_where_it_was() -> None:
    animal = seen(*[pose(MOUSE)] * 40, pose(MOUSE, [0.9, 0.9, 0.1]))

    places = animal.places_of_unseen()

    assert places is not None
    assert np.abs(places[0] - MOUSE[2]).max() < 8
    assert np.abs(places[1] - MOUSE[2]).max() < 8


def test_a_part_that_was_never_seen_is_within_the_animals_size_of_the_others() -> None:
    animal = seen(*[pose(MOUSE, [0.9, 0.9, 0.1])] * 40)

    places = animal.places_of_unseen()

    assert places is not None
    assert places[1][0] == pytest.approx(100 + 1.25 * 20 + 4)


def test_where_only_one_part_was_ever_seen_the_others_may_be_anywhere() -> None:
    animal = seen(pose(MOUSE, [0.9, 0.1, 0.1]))

    assert animal.is_found
    assert animal.region(1) is None


def test_an_animal_of_one_part_can_be_followed() -> None:
    assert seen(pose([(10, 20)])).region(1) is not None


def test_with_fewer_than_half_of_the_usual_parts_it_is_lost() -> None:
    points = [(float(10 * part), 50.0) for part in range(8)]
    animal = seen(*[pose(points)] * 10)

    assert animal.after(pose(points, [0.9] * 4 + [0.1] * 4)).is_found
    assert not animal.after(pose(points, [0.9] * 3 + [0.1] * 5)).is_found


def test_what_is_usual_is_forgotten_slowly() -> None:
    points = [(float(10 * part), 50.0) for part in range(8)]
    animal = seen(*[pose(points)] * 10)
    few = pose(points, [0.9] * 3 + [0.1] * 5)
    num_frames = 0
    while not animal.is_found or num_frames == 0:
        animal = animal.after(few)
        num_frames += 1

    assert 100 < num_frames < 1000


def test_one_wrong_pose_does_not_make_a_giant() -> None:
    animal = seen(*[pose(MOUSE)] * 40, pose([(100, 100), (120, 100), (900, 100)]))

    assert animal.size_px < 50 * 1.06


def test_nothing_is_said_against_a_mouse_that_walks() -> None:
    animal = seen(*[pose(MOUSE)] * 3)

    assert animal.doubt(animal.after(pose([(x + 9, y - 4) for x, y in MOUSE]))) is None


@pytest.mark.parametrize(
    ("points", "likelihood", "look"),
    [
        ([(160, 100), (180, 100), (210, 100)], 0.9, Look.JUMP),
        ([(100, 100), (120, 100), (150, 160)], 0.9, Look.JUMP),
        (MOUSE, [0.9, 0.1, 0.1], Look.LOST),
        (MOUSE, 0.1, Look.LOST),
    ],
    ids=["all of it elsewhere", "one part elsewhere", "one part left", "nothing left"],
)
def test_what_speaks_against_a_pose(
    points: Points, likelihood: list[float] | float, look: Look
) -> None:
    animal = seen(*[pose(MOUSE)] * 3)

    assert animal.doubt(animal.after(pose(points, likelihood))) == look


def test_a_part_that_comes_back_too_far_from_the_others_speaks_against_a_pose() -> None:
    animal = seen(*[pose(MOUSE)] * 3, *[pose(MOUSE, [0.9, 0.9, 0.1])] * 30)

    assert animal.doubt(animal.after(pose([(100, 100), (120, 100), (120, 190)]))) == Look.JUMP
