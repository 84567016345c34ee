import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.synthetic.mouse import BODY_PARTS, PAWS, Mouse

FLOOR = (20.0, 20.0, 620.0, 460.0)
LENGTH_PX = 120.0


def mouse(seed: int) -> Mouse:
    return Mouse(np.random.default_rng(seed), LENGTH_PX, FLOOR)


def part(key_points: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    point: NDArray[np.float64] = key_points[BODY_PARTS.index(name)]
    return point


def cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a[0] * b[1] - a[1] * b[0])


def test_body_parts_are_those_of_the_bottom_view_model_in_its_order() -> None:
    assert BODY_PARTS == (
        "tail_tip",
        "tail_base",
        "R_hind",
        "L_hind",
        "neck",
        "R_fore",
        "L_fore",
        "nose",
    )


@settings(max_examples=15)
@given(seed=st.integers(0, 50), time_s=st.floats(0, 1e5))
def test_body_keeps_to_the_floor_and_the_tail_to_the_picture(seed: int, time_s: float) -> None:
    points = mouse(seed).pose(time_s).key_points
    left, top, right, bottom = FLOOR
    for name in BODY_PARTS[1:]:
        x, y = part(points, name)
        assert left < x < right
        assert top < y < bottom
    assert np.all((points >= 0) & (points <= [639, 479]))


@settings(max_examples=15)
@given(seed=st.integers(0, 50), time_s=st.floats(0, 1e4))
def test_two_paws_or_more_stand_still_on_the_glass(seed: int, time_s: float) -> None:
    animal = mouse(seed)
    before, after = animal.pose(time_s), animal.pose(time_s + 1e-6)
    moved_px = [np.abs(after.paws[p].centre - before.paws[p].centre).max() for p in PAWS]
    assert sum(px < 1e-9 for px in moved_px) >= 2


def test_key_points_move_smoothly() -> None:
    animal = mouse(3)
    points = np.stack([animal.pose(t).key_points for t in np.arange(0, 8, 0.004)])
    # 8 body lengths a second: a swinging paw of a mouse in a hurry.
    assert np.linalg.norm(np.diff(points, axis=0), axis=-1).max() < 0.004 * 8 * LENGTH_PX


@pytest.mark.parametrize("seed", range(6))
def test_right_paws_are_on_the_right_of_an_animal_seen_from_below(seed: int) -> None:
    """With the nose up in the picture its right is on the left: image y points down."""
    animal = mouse(seed)
    for time_s in np.linspace(0, 30, 40):
        pose = animal.pose(time_s)
        for pair, place in (("hind", 26), ("fore", 13)):
            heading = pose.spine_headings[place]
            forwards = np.array([np.cos(heading), np.sin(heading)])
            to_right = part(pose.key_points, f"R_{pair}") - part(pose.key_points, f"L_{pair}")
            assert cross(forwards, to_right) < 0
    nose_up, picture_left = np.array([0.0, -1.0]), np.array([-1.0, 0.0])
    assert cross(nose_up, picture_left) < 0


def test_mouse_walks_turns_and_pauses() -> None:
    animal = mouse(1)
    poses = [animal.pose(t) for t in np.arange(0, 60, 0.04)]
    base = np.stack([part(pose.key_points, "tail_base") for pose in poses])
    speed = np.linalg.norm(np.diff(base, axis=0), axis=1) / 0.04 / LENGTH_PX
    assert np.mean(speed == 0) > 0.02
    assert np.mean(speed > 0.3) > 0.4
    assert np.ptp([pose.spine_headings[-1] for pose in poses]) > np.pi


def test_pausing_mouse_has_no_paw_in_the_air() -> None:
    animal = mouse(1)
    paused = 0
    for time_s in np.arange(0, 20, 0.04):
        now, later = animal.pose(time_s), animal.pose(time_s + 1e-3)
        if np.array_equal(now.spine[-1], later.spine[-1]):
            paused += 1
            assert all(paw.lift == 0 for paw in now.paws.values())
    assert paused > 0


def test_spine_is_as_long_as_the_body() -> None:
    spine = mouse(5).pose(12.3).spine
    length = np.linalg.norm(np.diff(spine, axis=0), axis=1).sum()
    assert length == pytest.approx(LENGTH_PX, rel=0.02)
