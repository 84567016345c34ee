"""The whole job is the run that the command does, timed from the start of its process."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine import Job, RunError
from engine.bench import costs as whole_job
from engine.bench.costs import WholeJob, load_null_model, measure_whole_job
from engine.pipeline.batch_size import Cost
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import small_movie


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job([small_movie(tmp_path / "movie.avi", num_frames=12)], tmp_path / "out")


def made_up(
    job: Job, monkeypatch: pytest.MonkeyPatch, frames_at_s: dict[float, int], **options: Any
) -> tuple[WholeJob, list[int], dict[str, Any]]:
    """Measure a run that opens its movie after 3 s, has frames through at times, and takes 20 s.

    The clock shows 1000 s when the process starts; the processor's runs half as fast.
    """
    clock = SimpleNamespace(s=1000.0)
    given: dict[str, Any] = {}

    def run(job: Job, progress: Any, **arguments: Any) -> SimpleNamespace:
        given.update(arguments, job=job)
        clock.s = 1003.0
        progress.begin("movie", None)
        for at_s, num_frames in frames_at_s.items():
            clock.s = 1000.0 + at_s
            progress.advance(num_frames)
        clock.s = 1020.0
        progress.end()
        num_frames = max(frames_at_s.values())
        return SimpleNamespace(movies=[SimpleNamespace(num_frames=num_frames, follow=None)])

    clocks = SimpleNamespace(time=lambda: clock.s, process_time=lambda: (clock.s - 1000) / 2)
    monkeypatch.setattr(whole_job, "time", clocks)
    monkeypatch.setattr(whole_job, "run", run)
    monkeypatch.setattr(whole_job, "peak_mib", lambda: 321.0)
    told: list[int] = []
    return (
        measure_whole_job(told.append, job, 500, options.get("is_null", True), 1000.0),
        told,
        given,
    )


def test_its_parts_are_told_apart(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    measured, told, _ = made_up(job, monkeypatch, {4: 0, 5: 8, 6: 8, 7: 24, 15: 88, 18: 88})

    assert measured == WholeJob(
        total=Cost(88, wall_s=20.0, core_s=10.0),
        steady=Cost(80, wall_s=10.0, core_s=5.0),
        startup=Cost(88, wall_s=3.0, core_s=1.5),
        first_pose_s=5.0,
        peak_mib=321.0,
    )
    assert told == [8, 24, 88]


def test_where_all_frames_came_at_once_the_speed_is_the_whole_jobs(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, *_ = made_up(job, monkeypatch, {5: 10})

    assert measured.steady == measured.total == Cost(10, wall_s=20.0, core_s=10.0)


@pytest.mark.parametrize(("is_null", "load"), [(True, load_null_model), (False, None)])
def test_it_is_the_run_that_was_asked_for(
    job: Job, monkeypatch: pytest.MonkeyPatch, is_null: bool, load: Any
) -> None:
    *_, given = made_up(job, monkeypatch, {5: 10}, is_null=is_null)

    assert given == {"job": job, "load": load, "most_frames": 500}


@pytest.mark.parametrize(("most_frames", "num_frames"), [(5, 5), (500, 12)])
def test_a_real_run_writes_all_outputs(job: Job, most_frames: int, num_frames: int) -> None:
    told: list[int] = []
    measured = measure_whole_job(told.append, job, most_frames, True, time.time())

    assert {path.name for path in job.output_dir.iterdir()} == OUTPUTS_OF_ONE_MOVIE
    assert measured.total.num_frames == measured.startup.num_frames == num_frames
    assert told[-1] == num_frames
    assert measured.startup.wall_s <= measured.first_pose_s <= measured.total.wall_s
    assert measured.peak_mib > 0


def test_a_run_that_fails_fails_here(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        raise RunError("the disk is full")

    monkeypatch.setattr(whole_job, "run", run)
    with pytest.raises(RunError, match="the disk is full"):
        measure_whole_job(print, job, 5, True, time.time())
