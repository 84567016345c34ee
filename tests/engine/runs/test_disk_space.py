"""A warning where the disk may run full, before the work begins."""

import shutil
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.synthetic import write_isxb
from engine import CropRectangle, Job, run
from engine.bench.costs import load_null_model
from engine.runs.warnings import bytes_needed, space_warning
from engine.watch.progress import Progress
from readers import MovieInfo
from tests.engine.stopping import Loader, PowerCut, job_for
from tests.small_movies import pictures


class Usage(NamedTuple):
    free: int


def movie(num_frames: int | None) -> MovieInfo:
    return MovieInfo(Path("mouse.mp4"), "mp4", 640, 480, Fraction(1, 25), num_frames)


@pytest.fixture
def one_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**30))


@pytest.mark.usefixtures("one_gib")
def test_a_movie_of_a_day_needs_more_than_one_gib(tmp_path: Path) -> None:
    job = Job([Path("mouse.mp4")], tmp_path / "not" / "there")
    warning = space_warning(job, [movie(24 * 3600 * 25)], num_body_parts=8)
    assert warning is not None
    assert f"{job.output_dir}: the run may need " in warning
    assert "1.0 GiB are free; if the disk runs full, make room and resume the run" in warning


@pytest.mark.usefixtures("one_gib")
@pytest.mark.parametrize("num_frames", [None, 0, 1000])
def test_a_short_movie_or_one_of_unknown_length_does_not(
    tmp_path: Path, num_frames: int | None
) -> None:
    assert space_warning(Job([Path("m.mp4")], tmp_path), [movie(num_frames)], 8) is None


@pytest.mark.usefixtures("one_gib")
def test_movies_add_up_and_a_crop_makes_them_smaller(tmp_path: Path) -> None:
    movies = [movie(100_000)] * 4
    whole = Job([Path("m.mp4")], tmp_path)
    cropped = Job([Path("m.mp4")], tmp_path, crop_rect=CropRectangle(0, 0, 64, 48))
    assert space_warning(whole, movies, 8) is not None
    assert space_warning(whole, movies[:1], 8) is None
    assert space_warning(cropped, movies, 8) is None


def test_tables_and_a_drawing_on_black_take_no_more_than_the_estimate(tmp_path: Path) -> None:
    path = tmp_path / "movie.isxb"
    write_isxb(path, pictures(60), 25)
    job = Job([path], tmp_path / "out", keypoints_only=True)
    result = run(job, load=load_null_model)
    files = [path for path in result.outputs if path.suffix in (".h5", ".parquet", ".mp4")]
    sizes = sum(file.stat().st_size for file in files)
    heads = 100_000  # of fixed length, they count for much in a movie this short
    assert sizes - heads < bytes_needed(job, [result.movies[0].movie], 8)


class Warnings(Progress):
    """Remembers what it was warned of."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def warn(self, message: str) -> None:
        self.told.append(message)


def test_a_run_that_is_resumed_has_much_of_its_room_already(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0))
    job = job_for([recording], tmp_path)
    begun, resumed = Warnings(), Warnings()

    with suppress(PowerCut):
        run(job, begun, load=Loader(20))
    run(replace(job, resume=True), resumed, load=Loader())

    assert any("0.0 GiB are free" in warning for warning in begun.told)
    assert not any("GiB are free" in warning for warning in resumed.told)
