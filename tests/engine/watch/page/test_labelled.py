"""The picture that a browser gets is that of the labelled movie, or a smaller one."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.watch.page.labelled import labelled_jpeg
from engine.watch.page.picture import Picture
from sinks import OverlayStyle
from sinks.labelled_movie.overlay import Overlay

BODY_PARTS = ("nose", "tail")
GREY = 120


def picture_of(height: int, width: int, *poses: Sequence[tuple[float, float, float]]) -> Picture:
    rows = len(range(0, height, max(1, width // 960)))
    image = np.full((rows, width, 3), GREY, np.uint8)
    return Picture(1, 0, width, height, image, np.array(poses, np.float64))


def decoded(jpeg: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(BytesIO(jpeg)).convert("RGB")).astype(np.int16)


def test_a_narrow_picture_is_that_of_the_labelled_movie() -> None:
    style = OverlayStyle(draw_skeleton=True, skeleton=(("nose", "tail"),), trail_points=2)
    before, now = [(20, 30, 0.9), (80, 60, 0.9)], [(26.4, 30, 0.9), (86, 60, 0.1)]
    truth = np.full((90, 120, 3), GREY, np.uint8)
    overlay = Overlay(BODY_PARTS, style)
    overlay.follow(np.array(before, np.float64))
    overlay.draw(truth, np.array(now, np.float64))

    shown = decoded(labelled_jpeg(picture_of(90, 120, before, now), BODY_PARTS, style))

    error = np.abs(shown - truth)
    assert error.mean() < 1  # of 255 levels: it is a JPEG
    assert (truth[30, 20] != GREY).any()  # the trail's dot
    assert error[30, 20].max() < 25


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (1441, 2561), (700, 1000)])
def test_a_wide_one_is_960_pixels_wide_with_its_dots_in_their_places(
    height: int, width: int
) -> None:
    nose = (0.75 * width, 0.25 * height, 0.9)
    picture = picture_of(height, width, [nose, (0, 0, 0.1)])

    shown = decoded(labelled_jpeg(picture, BODY_PARTS, OverlayStyle(dot_size_px=12)))

    assert shown.shape == (round(height * 960 / width), 960, 3)
    is_dot = np.abs(shown - GREY).max(axis=2) > 60
    rows, columns = np.nonzero(is_dot)
    assert columns.mean() == pytest.approx(0.75 * 960, abs=1)
    assert rows.mean() == pytest.approx(0.25 * shown.shape[0], abs=1)
    assert np.ptp(columns) == pytest.approx(2 * 12 * 960 / width, abs=3)


def test_key_points_only_are_on_black() -> None:
    picture = picture_of(64, 64, [(32, 32, 0.9), (10, 10, 0.1)])

    shown = decoded(labelled_jpeg(picture, BODY_PARTS, OverlayStyle(keypoints_only=True)))

    assert shown[60, 60].max() < 5
    assert shown[32, 32].max() > 100
