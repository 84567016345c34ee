"""A live run's journal gets the times and the dropped frames of the recorded movie."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.run_folder.journal import JournalContent, JournalCursor, Rows, read_journal
from engine.run_folder.replay import join_times
from engine.run_folder.unfinished import RunRecord, UnfinishedRun
from engine.runs.job_sinks import output_directory
from readers import FrameBatch, FrameStatus, MovieInfo, inspect_movie, open_movie
from sinks import num_finished_frames, segments_dir
from sinks.labelled_movie.segments import seal
from tests.engine.run_folder.live_rows import NUM_BODY_PARTS, pose_of, write_live_journal
from tests.engine.stopping import SEGMENT_LENGTH, segments_are_short
from tests.small_movies import small_movie

NUM_FRAMES = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("movies")


def movie_with(folder: Path, dropped: list[int]) -> MovieInfo:
    path = folder / f"mouse-{'-'.join(map(str, dropped))}.isxb"
    if not path.exists():
        small_movie(path, num_frames=NUM_FRAMES, dropped=dropped)
    return inspect_movie(path)


def read_all(movie: MovieInfo) -> FrameBatch:
    with open_movie(movie) as reader:
        batch = reader.read(np.empty((100, *reader.image_shape), np.uint8))
    assert batch is not None
    return batch


@pytest.fixture
def live_run(tmp_path: Path) -> Iterator[UnfinishedRun]:
    run = UnfinishedRun(output_directory(tmp_path))
    with run.made():
        run.write_record(RunRecord({}, "2026-11-30", overwrite=False, is_live=True))
        yield run


def joined(run: UnfinishedRun, movie: MovieInfo) -> tuple[JournalContent, Rows]:
    join_times(run, 0, movie)
    content = read_journal(run.journal(0))
    assert content is not None
    assert not content.is_live
    with JournalCursor(run.journal(0)) as cursor:
        return content, cursor.read(content.num_frames)


@given(dropped=st.sets(st.integers(0, NUM_FRAMES - 1), max_size=NUM_FRAMES - 1).map(sorted))
def test_rows_are_those_of_the_recorded_movie_with_the_poses_of_the_live_run(
    folder: Path, dropped: list[int]
) -> None:
    movie = movie_with(folder, dropped)
    run = UnfinishedRun(output_directory(folder))
    with run.made():
        run.write_record(RunRecord({}, "2026-11-30", overwrite=False, is_live=True))
        write_live_journal(run.journal(0), movie)

        content, rows = joined(run, movie)

    truth = read_all(movie)
    np.testing.assert_array_equal(rows["time_s"], truth.time_s)
    np.testing.assert_array_equal(rows["hardware_counter_us"], truth.hardware_counter_us)
    np.testing.assert_array_equal(rows["status"], truth.status)
    for index, image in enumerate(truth.images):
        if index in dropped:
            assert np.isnan(rows["poses"][index, :, :2]).all()
            assert not rows["poses"][index, :, 2].any()
        else:
            np.testing.assert_array_equal(rows["poses"][index], pose_of(image))
    assert content.is_ended


@pytest.mark.parametrize("dropped", [[], [3], [0, 5], [4, 5, 6]])
def test_a_live_run_that_was_killed_leaves_the_rest_to_do(
    folder: Path, live_run: UnfinishedRun, dropped: list[int]
) -> None:
    movie = movie_with(folder, dropped)
    write_live_journal(live_run.journal(0), movie, num_frames=5, is_ended=False)

    content, rows = joined(live_run, movie)

    truth = read_all(movie)
    assert not content.is_ended
    assert (rows["status"] != FrameStatus.DROPPED).sum() == 5
    np.testing.assert_array_equal(rows["status"], truth.status[: len(rows)])
    np.testing.assert_array_equal(rows["time_s"], truth.time_s[: len(rows)])


def test_a_recording_that_went_on_after_the_live_run_is_not_whole(
    folder: Path, live_run: UnfinishedRun
) -> None:
    movie = movie_with(folder, [])
    write_live_journal(live_run.journal(0), movie, num_frames=5)

    content, _ = joined(live_run, movie)

    assert content.num_frames == 5
    assert not content.is_ended


def test_skipped_frames_are_kept_as_such(folder: Path, live_run: UnfinishedRun) -> None:
    movie = movie_with(folder, [2])
    write_live_journal(live_run.journal(0), movie, skipped=[6, 7])

    content, rows = joined(live_run, movie)

    assert content.is_ended
    assert (rows["status"] == FrameStatus.SKIPPED).nonzero()[0].tolist() == [7, 8]


def test_where_the_file_tells_no_more_the_rows_stay(folder: Path, live_run: UnfinishedRun) -> None:
    movie = replace(movie_with(folder, [2]), times_are_known=False)
    write_live_journal(live_run.journal(0), movie)

    content, rows = joined(live_run, movie)

    assert (content.num_frames, content.is_ended) == (NUM_FRAMES - 1, True)
    np.testing.assert_array_equal(rows["time_s"], np.arange(NUM_FRAMES - 1) / 7)


@pytest.mark.parametrize(
    ("dropped", "num_kept"), [([], 50), ([40], 36), ([12], 12), ([11], 0), ([0], 0)]
)
def test_segments_stay_whose_frames_have_kept_their_indices(
    tmp_path: Path, live_run: UnfinishedRun, dropped: list[int], num_kept: int
) -> None:
    path = tmp_path / "mouse.isxb"
    small_movie(path, num_frames=50, dropped=dropped)
    movie = inspect_movie(path)
    with segments_are_short():
        write_live_journal(live_run.journal(0), movie)
        labelled = live_run.path / "dlc_labeled_movie.0.mp4"
        _write_segments(segments_dir(labelled), 50)

        content, _ = joined(live_run, movie)

        assert num_finished_frames(labelled) == num_kept
        assert (content.num_frames, content.is_ended) == (50, True)
        assert content.num_body_parts == NUM_BODY_PARTS


def _write_segments(folder: Path, num_frames: int) -> None:
    folder.mkdir()
    for number, first in enumerate(range(0, num_frames, SEGMENT_LENGTH)):
        length = min(SEGMENT_LENGTH, num_frames - first)
        seal(small_movie(folder / f"{number:06}.mp4", num_frames=length))


def test_times_are_joined_once(tmp_path: Path, live_run: UnfinishedRun) -> None:
    movie = inspect_movie(small_movie(tmp_path / "mouse.isxb", num_frames=5))
    write_live_journal(live_run.journal(0), movie)
    joined(live_run, movie)
    before = live_run.journal(0).stat()

    joined(live_run, movie)

    assert live_run.journal(0).stat().st_ino == before.st_ino
