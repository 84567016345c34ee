"""The distance that points need from a window's edge is found, whatever it is."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.follow.settings import (
    Calibration,
    FollowSettings,
    calibrate,
    calibrated,
    read_calibration,
    write_calibration,
)
from engine.follow.window import Region
from readers import FrameBatch
from tests.engine.follow.markers import MarkerModel, frames

SETTINGS = FollowSettings(16, 112, uses_tracker=True, is_calibrated=True, is_heavy=False)
SIZE = 1200, 1000
MOUSE = np.array([[600.0, 500.0], [620.0, 506.0], [640.0, 490.0]])


class NearSighted(MarkerModel):
    """Misplaces points that are near the edge of what it is shown, unless that is all there is."""

    def __init__(self, distance_px: int, error_px: float = 3.0) -> None:
        super().__init__()
        self._distance_px, self._error_px = distance_px, error_px

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        poses = super().predict(images)
        height, width = images.shape[1:3]
        if (width, height) != SIZE:
            x, y = poses[..., 0], poses[..., 1]
            room = np.min([x, y, width - 1 - x, height - 1 - y], axis=0)
            poses[..., 0] += np.where(room < self._distance_px, self._error_px, 0)
        return poses


class Movie:
    """Gives the frames of a movie of points."""

    image_shape = (SIZE[1], SIZE[0], 3)

    def __init__(self, points: NDArray[np.float64]) -> None:
        self._points = points
        self.num_read = 0
        self._next = 0

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        points = self._points[self._next : self._next + len(images)]
        if not len(points):
            return None
        batch = frames(points, self._next, size=SIZE)
        images[: len(points)] = batch.images
        self._next += len(points)
        self.num_read += len(points)
        return batch

    def skip(self, num_frames: int) -> int:
        self._next += num_frames
        return num_frames


def mouse_for(num_frames: int) -> NDArray[np.float64]:
    way = np.arange(num_frames)[:, np.newaxis, np.newaxis]
    return np.asarray(MOUSE + way * [1.0, 0.0])


@pytest.mark.parametrize("distance_px", [1, 40, 60, 100, 150])
def test_it_is_as_far_as_the_network_needs_and_little_more(distance_px: int) -> None:
    found = calibrate(Movie(mouse_for(200)), NearSighted(distance_px), SETTINGS)

    assert distance_px <= found.context_px <= max(32, distance_px + 32)
    assert found.p99_error_px == 0
    assert found.num_frames == 14
    assert found.num_points == 3 * 14


def test_a_network_that_sees_all_of_the_picture_gets_the_largest() -> None:
    found = calibrate(Movie(mouse_for(200)), NearSighted(1000), SETTINGS)

    assert found.context_px == 160


def test_where_only_a_window_as_large_as_the_picture_is_enough_frames_are_looked_at_whole() -> None:
    points = np.tile([[40.0, 30.0], [1100.0, 500.0], [640.0, 940.0]], (60, 1, 1))

    found = calibrate(Movie(points), NearSighted(1000), SETTINGS)

    assert found.num_points == 0
    grid = SETTINGS.grid(*SIZE)
    region = Region(40, 30, 1100, 940)
    assert grid.window(region.widened(found.context_px), []) is None


def test_windows_of_one_size_come_one_after_the_other() -> None:
    model = NearSighted(1000)

    calibrate(Movie(mouse_for(200)), model, SETTINGS)

    in_turn = [size for size, _ in groupby(model.sizes)]
    assert len(in_turn) == len(set(in_turn)) > 2


def test_large_images_are_fewer() -> None:
    class Large(Movie):
        image_shape = (4000, 3000, 3)

        def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
            batch = super().read(np.empty((1, SIZE[1], SIZE[0], 3), np.uint8))
            if batch is not None:
                images[:] = 0
                images[:, : SIZE[1], : SIZE[0]] = batch.images
            return batch

    assert calibrate(Large(mouse_for(200)), MarkerModel(), SETTINGS).num_frames == 4


def test_small_errors_are_tolerated_and_told() -> None:
    found = calibrate(Movie(mouse_for(200)), NearSighted(1000, error_px=0.04), SETTINGS)

    assert (found.context_px, found.median_error_px, found.p99_error_px) == (32, 0.04, 0.04)


def test_errors_of_a_few_points_are_not_tolerated_though_none_is_a_pixel_off() -> None:
    class Rarely(NearSighted):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
            exact = MarkerModel.predict(self, images)
            poses = super().predict(images)
            is_one_in_three = np.arange(len(MOUSE)) % 3 == 0
            return np.where(is_one_in_three[:, np.newaxis], poses, exact)

    found = calibrate(Movie(mouse_for(200)), Rarely(100, error_px=0.4), SETTINGS)

    # Windows are a little larger than their context: with one just below, few points are off.
    assert 100 - SETTINGS.stride_px <= found.context_px <= 132


def test_a_heavy_network_is_measured_more_strictly() -> None:
    class Rarely(NearSighted):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
            exact = MarkerModel.predict(self, images)
            return np.where([[True], [False], [False]], super().predict(images), exact)

    model = Rarely(60, error_px=0.1)  # of a third of the points

    assert calibrate(Movie(mouse_for(200)), model, SETTINGS).context_px == 32
    heavy = replace(SETTINGS, is_heavy=True)
    assert calibrate(Movie(mouse_for(200)), model, heavy).context_px >= 48


def test_without_an_animal_the_usual_is_taken() -> None:
    movie = Movie(np.full((2000, 3, 2), np.nan))

    assert calibrate(movie, MarkerModel(), SETTINGS) == Calibration(112, 0)
    assert movie.num_read == 32


def test_a_movie_that_ends_early_is_enough() -> None:
    assert calibrate(Movie(mouse_for(20)), NearSighted(40), SETTINGS).num_frames == 2


def test_what_was_found_is_used() -> None:
    assert calibrated(SETTINGS, Calibration(48, 8)) == replace(SETTINGS, context_px=48)
    assert calibrated(SETTINGS, None) == SETTINGS
    assert calibrated(None, None) is None


def test_what_was_found_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "calibration.0.json"
    found = Calibration(48, 8, 120, 0.01, 0.3)

    assert read_calibration(path) is None
    write_calibration(path, found)

    assert read_calibration(path) == found
