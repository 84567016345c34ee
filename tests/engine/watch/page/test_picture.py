"""A picture is copied into memory that is used again, and drawn as in the labelled movie."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.watch.page.picture import LatestPicture, Picture, labelled_jpeg
from readers import FrameStatus
from sinks import OverlayStyle, PoseBatch
from sinks.labelled_movie.overlay import Overlay
from tests.batches import frame_batch


class Clock:
    time_s = 1000.0

    def __call__(self) -> float:
        return self.time_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def batch_of(first: int, num_frames: int = 1, height: int = 4, width: int = 6) -> PoseBatch:
    """Frames whose every pixel, and every coordinate, is the frame's index."""
    poses = np.empty((num_frames, 2, 3))
    poses[:] = np.arange(first, first + num_frames)[:, None, None]
    return PoseBatch(frame_batch(first, num_frames, height, width), poses)


def frame_shown(latest: LatestPicture) -> int | None:
    picture = latest.take()
    if picture is None:
        return None
    assert (picture.image == picture.frame_index).all()
    assert (picture.poses[-1] == picture.frame_index).all()
    return picture.frame_index


def test_nobody_asking_a_picture_is_copied_once_a_second(clock: Clock) -> None:
    latest = LatestPicture(0, clock)
    assert frame_shown(latest) is None
    shown = []
    for index in range(100):
        latest.offer(batch_of(index))
        shown.append(frame_shown(latest))
        clock.time_s += 1 / 32

    assert list(dict.fromkeys(shown)) == [0, 32, 64, 96]


def test_who_asks_gets_the_next_one(clock: Clock) -> None:
    latest = LatestPicture(0, clock)
    latest.offer(batch_of(0))
    clock.time_s += 0.1
    assert latest.wait_for_newer(0, 0)
    assert not latest.wait_for_newer(1, 0)

    latest.offer(batch_of(1, 3))

    assert latest.wait_for_newer(1, 0)
    assert frame_shown(latest) == 3


def test_who_asks_all_the_time_gets_no_more_than_25_a_second(clock: Clock) -> None:
    latest = LatestPicture(0, clock)
    for index in range(1000):
        latest.wait_for_newer(0, 0)
        latest.offer(batch_of(index % 256))
        clock.time_s += 0.001

    picture = latest.take()
    assert picture is not None
    assert 20 <= picture.number <= 26


def test_what_was_taken_does_not_change_when_memory_is_used_again(clock: Clock) -> None:
    latest = LatestPicture(0, clock)
    first = batch_of(1)
    latest.offer(first)
    first.frames.images[:] = 99
    taken = latest.take()
    clock.time_s += 2
    latest.offer(batch_of(2))

    assert taken is not None
    assert (taken.image == 1).all()
    assert frame_shown(latest) == 2


def test_frames_without_a_picture_leave_the_last_one(clock: Clock) -> None:
    latest = LatestPicture(0, clock)
    latest.offer(batch_of(0))
    for status in (FrameStatus.SKIPPED, FrameStatus.UNDECODABLE):
        clock.time_s += 2
        missing = batch_of(1)
        frames = replace(missing.frames, status=np.array([status], np.uint8))
        latest.offer(PoseBatch(frames, missing.poses))

    assert frame_shown(latest) == 0


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_poses_of_the_trail_come_along_however_frames_are_batched(
    clock: Clock, batch_size: int
) -> None:
    latest = LatestPicture(3, clock)
    for first in range(0, 14, batch_size):
        clock.time_s += 2
        latest.offer(batch_of(first, batch_size))
    picture = latest.take()
    assert picture is not None
    assert picture.poses[:, 0, 0].tolist() == [10, 11, 12, 13]

    latest.begin_movie()
    clock.time_s += 2
    latest.offer(batch_of(0))

    picture = latest.take()
    assert picture is not None
    assert picture.poses[:, 0, 0].tolist() == [0]


def test_pictures_may_change_their_size_and_of_wide_ones_rows_are_left_out(clock: Clock) -> None:
    latest = LatestPicture(0, clock)
    for height, width, num_rows in ((4, 6, 4), (9, 959, 9), (10, 1920, 5), (9, 3000, 3)):
        clock.time_s += 2
        latest.offer(batch_of(5, 1, height, width))
        picture = latest.take()

        assert picture is not None
        assert (picture.height, picture.width) == (height, width)
        assert picture.image.shape == (num_rows, width, 3)


def test_at_the_end_nobody_is_kept_waiting(clock: Clock) -> None:
    latest = LatestPicture(0, clock)
    latest.close()

    assert not latest.wait_for_newer(0, timeout_s=3600)


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
    overlay.add_to_trail(np.array(before, np.float64))
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
