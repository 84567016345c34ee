from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.synthetic import BODY_PARTS, MouseMovie
from benchmarks.synthetic.mouse import PAWS

DARK_FUR_SEED = 50


def small(seed: int = 0, num_frames: int = 5) -> MouseMovie:
    return MouseMovie(seed, width=160, height=120, num_frames=num_frames)


def test_frames_are_rgb_pictures_with_their_key_points() -> None:
    frames = list(small().frames())
    assert len(frames) == 5
    for image, points in frames:
        assert image.shape == (120, 160, 3)
        assert image.dtype == np.uint8
        assert points.shape == (len(BODY_PARTS), 2)
        assert points.dtype == np.float64


def test_a_frame_depends_on_seed_and_index_alone() -> None:
    in_order = [image.tobytes() for image in small(7).images()]
    again = small(7)
    assert [again.image(i).tobytes() for i in (4, 2, 0)] == [in_order[i] for i in (4, 2, 0)]
    assert np.array_equal(again.key_points(3), list(small(7).frames())[3][1])
    assert small(8).image(0).tobytes() != in_order[0]


def test_noise_changes_from_frame_to_frame() -> None:
    movie = small()
    assert np.mean(movie.image(0)[:30] != movie.image(1)[:30]) > 0.2


def test_noise_lies_on_the_animal_too() -> None:
    movie = MouseMovie(DARK_FUR_SEED, look="infrared")
    animal, patch = movie._painter.paint(movie._mouse.pose(0.0))
    noise = movie.image(0)[..., :1][patch.slices] - animal
    assert abs(noise.mean()) < 0.5
    assert noise.std() > 0.8


@pytest.mark.parametrize("seed", range(8))
def test_the_smallest_pictures_have_room_for_a_mouse(seed: int) -> None:
    movie = MouseMovie(seed, 64, 64)
    for index in range(0, 400, 20):
        assert movie.image(index).shape == (64, 64, 3)


def test_a_day_long_movie_is_made_lazily() -> None:
    movie = small(num_frames=10**9)
    assert len(list(islice(movie.frames(), 2))) == 2
    assert movie.image(10**8).shape == (120, 160, 3)


def test_infrared_is_grey_and_white_light_has_colour() -> None:
    grey = MouseMovie(2, 160, 120, look="infrared").image(0)
    colour = MouseMovie(2, 160, 120, look="white light").image(0)
    assert np.all(grey == grey[..., :1])
    assert np.any(colour != colour[..., :1])
    assert {small(seed).look for seed in range(6)} == {"infrared", "white light"}


@pytest.mark.parametrize("size", [(63, 480), (640, 63)])
def test_pictures_too_small_for_a_mouse_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 64"):
        MouseMovie(0, *size)


@pytest.mark.parametrize("name", PAWS)
def test_each_paw_is_painted_where_its_key_point_says(name: str) -> None:
    """What a paw adds to the picture is bright, and lies about its key point."""
    movie = MouseMovie(DARK_FUR_SEED, look="infrared")
    for time_s in (0.0, 1.7, 4.1):
        pose = movie._mouse.pose(time_s)
        others = {other: paw for other, paw in pose.paws.items() if other != name}
        with_it, patch = movie._painter.paint(pose)
        without_it, _ = movie._painter.paint(replace(pose, paws=others))
        added = (with_it - without_it)[..., 0].astype(float)
        x, y = patch.grid()
        centre = np.array([(added * x).sum(), (added * y).sum()]) / added.sum()
        assert added.max() > 40
        assert np.linalg.norm(centre - pose.key_points[BODY_PARTS.index(name)]) < 5


@pytest.mark.parametrize(("name", "before_it"), [("nose", "spine"), ("tail_tip", "tail")])
def test_nose_and_tail_end_at_their_key_points(name: str, before_it: str) -> None:
    """A few pixels before the key point there is animal, a few pixels beyond there is none."""
    movie = MouseMovie(DARK_FUR_SEED, look="infrared")
    for time_s in (0.0, 1.7, 4.1):
        pose = movie._mouse.pose(time_s)
        line = pose.spine[::-1] if before_it == "spine" else pose.tail
        tip, direction = line[-1], line[-1] - line[-2]
        direction = direction / np.linalg.norm(direction)
        assert np.array_equal(tip, pose.key_points[BODY_PARTS.index(name)])
        animal, patch = movie._painter.paint(pose)
        added = (animal - movie._scene.background[patch.slices])[..., 0]  # skin is bright

        def at(
            place: NDArray[np.float64],
            added: NDArray[np.float64] = added,
            left: int = patch.left,
            top: int = patch.top,
        ) -> float:
            x, y = np.rint(place).astype(int)
            return float(added[y - top, x - left])

        assert at(tip - 3 * direction) > 15
        assert at(tip + 6 * direction) < 0.5 * at(tip - 3 * direction)


def test_neck_and_tail_base_lie_on_the_animal() -> None:
    movie = MouseMovie(DARK_FUR_SEED, look="infrared")
    pose = movie._mouse.pose(2.0)
    animal, patch = movie._painter.paint(pose)
    added = np.abs(animal - movie._scene.background[patch.slices])[..., 0]
    for name in ("neck", "tail_base"):
        x, y = np.rint(pose.key_points[BODY_PARTS.index(name)]).astype(int)
        assert added[y - patch.top, x - patch.left] > 15


def test_the_rest_of_the_picture_is_the_empty_arena() -> None:
    movie = MouseMovie(DARK_FUR_SEED, look="infrared")
    _, patch = movie._painter.paint(movie._mouse.pose(0.0))
    picture = movie.image(0)[..., 0].astype(float)
    outside = np.ones(picture.shape, dtype=bool)
    outside[patch.slices] = False
    off = (picture - movie._scene.background[..., 0])[outside]
    assert np.abs(off).mean() < 5
    assert abs(off.mean()) < 0.5
