"""Each stage is measured at its real work: what it writes is what a run writes."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import CropRectangle, Job, run
from engine.bench import costs as stages
from engine.bench.costs import StageCosts, batch_size, load_null_model, measure_stages
from engine.pipeline.batch_size import Cost
from readers import inspect_movie
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import HEIGHT, WIDTH, small_movie

NUM_FRAMES = 21
STAGES = [
    "decode",
    "colour conversion",
    "median filter",
    "labelled movie",
    "pose estimates",
    "annotations",
    "previews",
]
LONG_S, SHORT_S = 1e9, 1e-9


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("movies")
    for name in ("movie.mp4", "movie.avi"):
        small_movie(folder / name, num_frames=NUM_FRAMES)
    small_movie(folder / "movie.isxb", num_frames=NUM_FRAMES, dropped=[3, 4, 20])
    return folder


def measured(
    job: Job, most_frames: int = sys.maxsize, measured_s: float = LONG_S
) -> tuple[StageCosts, list[int]]:
    """Measure in this process; return the costs and what was told."""
    job.output_dir.mkdir()
    told: list[int] = []
    movie = inspect_movie(job.movies[0])
    return measure_stages(told.append, job, movie, most_frames, measured_s), told


@pytest.mark.often(1)
@pytest.mark.parametrize(
    ("name", "options", "most_frames"),
    [
        ("movie.isxb", {"draw_skeleton": True}, sys.maxsize),
        ("movie.mp4", {"window_length": 1, "batch_size": 4}, 10),
        (
            "movie.avi",
            {
                "crop_rect": CropRectangle(8, 4, 64, 48),
                "coordinates": "movie",
                "experiment_annotations_format": "csv",
                "window_length": 11,
                "batch_size": 2,
            },
            sys.maxsize,
        ),
    ],
)
def test_the_outputs_are_those_of_a_run(
    tmp_path: Path, movies: Path, name: str, options: dict[str, Any], most_frames: int
) -> None:
    alone, together = (
        Job([movies / name], tmp_path / folder, **options) for folder in ("alone", "together")
    )
    measured(alone, most_frames)
    run(together, load=load_null_model, most_frames=most_frames)

    written = {path.name: path.read_bytes() for path in alone.output_dir.iterdir()}
    expected = {path.name: path.read_bytes() for path in together.output_dir.iterdir()}
    del expected["output_metadata.json"]
    assert len(expected) == len(OUTPUTS_OF_ONE_MOVIE) - 1
    assert written == expected


def test_every_stage_has_a_cost_for_the_frames_that_went_through(
    tmp_path: Path, movies: Path
) -> None:
    costs, told = measured(Job([movies / "movie.avi"], tmp_path / "out", batch_size=4))

    assert list(costs.by_stage) == STAGES
    assert {cost.num_frames for cost in costs.by_stage.values()} == {NUM_FRAMES}
    assert (costs.opening.num_frames, costs.closing.num_frames) == (NUM_FRAMES, NUM_FRAMES)
    assert told == [4, 8, 12, 16, 20, 21]


def test_conversion_is_what_reading_costs_beyond_decoding(
    tmp_path: Path, movies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Cost(1, wall_s=1e6, core_s=1e6)
    monkeypatch.setattr(stages, "decode_cost", lambda *_: endless)

    costs, _ = measured(Job([movies / "movie.avi"], tmp_path / "out"))

    assert costs.by_stage["decode"] == endless
    assert costs.by_stage["colour conversion"] == Cost(NUM_FRAMES, wall_s=1e-9, core_s=0.0)


def test_no_more_frames_than_asked_for(tmp_path: Path, movies: Path) -> None:
    costs, told = measured(Job([movies / "movie.mp4"], tmp_path / "out"), most_frames=9)

    assert {cost.num_frames for cost in costs.by_stage.values()} == {9}
    assert told[-1] == 9


def test_when_the_time_is_over_the_batch_that_was_read_still_goes_through(
    tmp_path: Path, movies: Path
) -> None:
    costs, told = measured(
        Job([movies / "movie.avi"], tmp_path / "out", batch_size=3), measured_s=SHORT_S
    )

    assert told == [3]
    assert costs.by_stage["labelled movie"].num_frames == 3
    assert costs.by_stage["decode"].num_frames == 8


def test_a_wide_window_needs_memory_only_for_the_frames_that_are_there(
    tmp_path: Path, movies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []

    def empty(shape: tuple[int, ...], kind: type[np.uint8]) -> NDArray[np.uint8]:
        shapes.append(shape)
        return np.empty(shape, kind)

    monkeypatch.setattr(stages, "np", SimpleNamespace(**{**vars(np), "empty": empty}))
    measured(Job([movies / "movie.avi"], tmp_path / "out", window_length=9_999, batch_size=8))

    assert shapes == [(8, HEIGHT, WIDTH, 3)] * 4  # three are filled, the last finds the end


def test_a_batch_is_as_large_as_asked_for_or_as_usual(movies: Path, tmp_path: Path) -> None:
    shape = (480, 640, 3)
    job = Job([movies / "movie.avi"], tmp_path)

    assert batch_size(job, shape) == 2
    assert batch_size(Job(job.movies, tmp_path, batch_size="auto"), shape) == 2
    assert batch_size(Job(job.movies, tmp_path, batch_size=3), shape) == 3
