"""A crop rectangle that moves all points is warned of, once, and the nearest that does not told."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import CropRectangle, Job, run
from engine.runs.warnings import nearest_aligned
from tests.engine.runs.recording import Camera, Watcher, live_job, record_live
from tests.engine.stopping import Loader
from tests.small_movies import HEIGHT, WIDTH, small_movie

ALIGNED = CropRectangle(11, 7, 96, 64)
NOT_ALIGNED = CropRectangle(11, 7, 90, 64)
NAMED = r"crop rectangle 11,7,90,64: divided by 16, .*128 x 96.* 15 px .* 11,7,96,64 it does not"


def crop_warnings(warnings: tuple[str, ...] | list[str]) -> list[str]:
    return [warning for warning in warnings if "crop" in warning]


@given(st.data())
def test_the_nearest_rectangle_changes_its_sides_least(data: st.DataObject) -> None:
    period = data.draw(st.sampled_from([1, 2, 4, 16, 32]))
    frame = data.draw(st.integers(1, 100)), data.draw(st.integers(1, 100))
    width, height = (data.draw(st.integers(1, side)) for side in frame)
    left, top = (
        data.draw(st.integers(0, frame[0] - width)),
        data.draw(st.integers(0, frame[1] - height)),
    )

    found = nearest_aligned(CropRectangle(left, top, width, height), frame, period)

    for start, side, given_start, given_side, whole in (
        (found.left, found.width, left, width, frame[0]),
        (found.top, found.height, top, height, frame[1]),
    ):
        allowed = [n for n in range(1, whole + 1) if n % period == whole % period]
        assert side in allowed
        assert abs(side - given_side) == min(abs(n - given_side) for n in allowed)
        assert start == min(given_start, whole - side)
    assert nearest_aligned(found, frame, period) == found


def test_a_run_warns_once_for_all_movies_of_a_size(tmp_path: Path) -> None:
    movies = [small_movie(tmp_path / f"{name}.avi", num_frames=9) for name in "ab"]
    job = Job(movies, tmp_path / "out", crop_rect=NOT_ALIGNED)

    (warning,) = crop_warnings(run(job, load=Loader()).warnings)

    assert re.fullmatch(NAMED, warning)


@pytest.mark.often(1)
@pytest.mark.parametrize("crop", [None, ALIGNED, CropRectangle(0, 0, WIDTH, HEIGHT)])
def test_a_crop_whose_points_are_those_of_whole_frames_is_not_warned_of(
    tmp_path: Path, crop: CropRectangle | None
) -> None:
    movie = small_movie(tmp_path / "mouse.avi", num_frames=9)

    result = run(Job([movie], tmp_path / "out", crop_rect=crop), load=Loader())

    assert crop_warnings(result.warnings) == []


def test_a_live_run_warns_once_as_soon_as_it_knows_the_size(tmp_path: Path) -> None:
    camera = Camera(tmp_path / "mouse.avi", num_frames=9)
    watcher = Watcher()

    result = record_live(
        camera, live_job(tmp_path / "live", crop_rect=NOT_ALIGNED), watcher=watcher
    )

    (told,) = crop_warnings(watcher.warnings)
    assert re.fullmatch(NAMED, told)
    assert crop_warnings(result.warnings) == [told]
