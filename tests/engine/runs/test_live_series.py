"""A folder that a recorder fills with chunk after chunk is one series."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine import Job, RunResult, live, run
from tests.engine.runs.recording import SeeingLoader, Watcher, live_job
from tests.engine.stopping import Loader, PowerCut
from tests.small_movies import small_movie

pytestmark = pytest.mark.usefixtures("short_segments")

NUM_FRAMES = (14, 12, 5)


@pytest.fixture
def chunks(tmp_path: Path) -> list[Path]:
    """Give a series with dropped frames; the third one lies elsewhere for now."""
    folder = tmp_path / "series"
    folder.mkdir()
    return [
        small_movie(
            (folder if number < 2 else tmp_path) / f"mouse-{number}.isxb",
            num_frames=num_frames,
            start_time_ms=1_700_000_000_000 + 60_000 * number,
            dropped=[3, number + 1],
        )
        for number, num_frames in enumerate(NUM_FRAMES)
    ]


def record(
    job: Job, chunks: list[Path], watcher: Watcher, loader: Loader | SeeingLoader
) -> RunResult:
    return live(job, chunks[0].parent, watcher, load=loader, end_after_s=1)


def test_all_chunks_make_one_run(tmp_path: Path, chunks: list[Path]) -> None:
    job = live_job(tmp_path / "live")
    third = chunks[0].parent / chunks[2].name

    def add_third(num_images: int) -> None:
        if num_images > NUM_FRAMES[0] and chunks[2].exists():
            chunks[2].rename(third)

    watcher = Watcher()
    result = record(job, chunks, watcher, SeeingLoader(on_seen=add_third))

    series = [*chunks[:2], third]
    assert [movie.movie.path for movie in result.movies] == series
    truth = replace(job, movies=series, output_dir=tmp_path / "run")
    run(truth, load=Loader())
    for number in range(3):
        name = f"dlc_pose_estimates.{number}.h5"
        assert (job.output_dir / name).read_bytes() == (truth.output_dir / name).read_bytes()
    annotations = "dlc_annotations.parquet"
    assert (job.output_dir / annotations).read_bytes() == (
        truth.output_dir / annotations
    ).read_bytes()
    assert not (job.output_dir / "unfinished-run").exists()


@pytest.mark.slow
def test_a_series_that_was_killed_is_gone_on_with_by_a_run(
    tmp_path: Path, chunks: list[Path]
) -> None:
    job = live_job(tmp_path / "live")
    # Within the second chunk, of which the last batch has eight frames at the most.
    first, rest = Loader(stop_after=14, error=PowerCut), Loader()
    with pytest.raises(PowerCut):
        record(job, chunks, Watcher(), first)

    run(replace(job, movies=chunks, resume=True), load=rest)

    assert first.model is not None
    assert rest.model is not None
    num_recorded = sum(NUM_FRAMES) - sum(len({3, number + 1}) for number in range(3))
    assert first.model.num_images + rest.model.num_images == num_recorded
    truth = replace(job, movies=chunks, output_dir=tmp_path / "run")
    run(truth, load=Loader())
    for number in range(3):
        name = f"dlc_pose_estimates.{number}.h5"
        assert (job.output_dir / name).read_bytes() == (truth.output_dir / name).read_bytes()


def test_a_chunk_that_is_no_movie_is_told_of_and_passed_over(
    tmp_path: Path, chunks: list[Path]
) -> None:
    (chunks[0].parent / "mouse-0a.isxb").write_bytes(bytes(96))
    job = live_job(tmp_path / "live")
    watcher = Watcher()

    result = record(job, chunks, watcher, Loader())

    assert [movie.movie.path for movie in result.movies] == chunks[:2]
    assert any("mouse-0a.isxb" in line for line in watcher.warnings)
