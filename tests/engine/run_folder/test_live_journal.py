"""A live run's journal becomes that of a run of the recorded movie."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.run_folder.journal import JournalContent, JournalCursor, JournalRows, read_journal
from engine.run_folder.live_journal import settle, settle_movies
from engine.run_folder.unfinished import UnfinishedRun
from engine.runs.job_sinks import output_directory
from readers import FrameBatch, FrameStatus, MovieInfo, inspect_movie, open_movie
from sinks import num_finished_frames, segments_dir
from sinks.labelled_movie.segments import seal
from tests.engine.live_runs.live_rows import NUM_BODY_PARTS, pose_of, write_live_journal
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


def settled(
    live_path: Path, live: JournalContent, movie: MovieInfo, *, ends_at_skipped: bool = False
) -> tuple[JournalContent, JournalRows, int]:
    path = live_path.with_suffix(".settled")
    with open_movie(movie) as reader:
        num_unchanged = settle(
            live_path, live, path, reader.times(), None, ends_at_skipped=ends_at_skipped
        )
    content = read_journal(path)
    assert content is not None
    with JournalCursor(path) as cursor:
        return content, cursor.read(content.num_frames), num_unchanged


@given(dropped=st.sets(st.integers(0, NUM_FRAMES - 1), max_size=NUM_FRAMES - 1).map(sorted))
def test_rows_are_those_of_the_recorded_movie_with_the_poses_of_the_live_run(
    folder: Path, dropped: list[int]
) -> None:
    movie = movie_with(folder, dropped)
    live_path = folder / "live.0.journal"

    content, rows, num_unchanged = settled(live_path, write_live_journal(live_path, movie), movie)

    truth = read_all(movie)
    np.testing.assert_array_equal(rows.time_s, truth.time_s)
    np.testing.assert_array_equal(rows.hardware_counter_us, truth.hardware_counter_us)
    np.testing.assert_array_equal(rows.status, truth.status)
    for index, image in enumerate(truth.images):
        if index in dropped:
            assert np.isnan(rows.poses[index, :, :2]).all()
            assert not rows.poses[index, :, 2].any()
        else:
            np.testing.assert_array_equal(rows.poses[index], pose_of(image))
    assert content.is_ended
    assert num_unchanged == min(dropped, default=NUM_FRAMES)


@pytest.mark.parametrize("dropped", [[], [3], [0, 5], [4, 5, 6]])
def test_a_live_run_that_was_killed_leaves_the_rest_to_do(
    folder: Path, tmp_path: Path, dropped: list[int]
) -> None:
    movie = movie_with(folder, dropped)
    live_path = tmp_path / "live.0.journal"
    live = write_live_journal(live_path, movie, num_frames=5, is_ended=False)

    content, rows, _ = settled(live_path, live, movie)

    truth = read_all(movie)
    assert not content.is_ended
    assert (rows.status != FrameStatus.DROPPED).sum() == 5
    np.testing.assert_array_equal(rows.status, truth.status[: len(rows)])
    np.testing.assert_array_equal(rows.time_s, truth.time_s[: len(rows)])


def test_a_recording_that_went_on_after_the_live_run_is_not_whole(
    folder: Path, tmp_path: Path
) -> None:
    movie = movie_with(folder, [])
    live_path = tmp_path / "live.0.journal"
    live = write_live_journal(live_path, movie, num_frames=5)

    content, _, _ = settled(live_path, live, movie)

    assert content.num_frames == 5
    assert not content.is_ended


def test_to_fill_in_what_was_skipped_it_ends_before_that(folder: Path, tmp_path: Path) -> None:
    movie = movie_with(folder, [2])
    live_path = tmp_path / "live.0.journal"
    live = write_live_journal(live_path, movie, skipped=[6, 7])

    content, rows, num_unchanged = settled(live_path, live, movie, ends_at_skipped=True)

    assert content.num_frames == 7  # six recorded ones, and the dropped one among them
    assert not content.is_ended
    assert (rows.status == FrameStatus.DROPPED).nonzero()[0].tolist() == [2]
    assert num_unchanged == 2


def test_skipped_frames_are_kept_as_such_otherwise(folder: Path, tmp_path: Path) -> None:
    movie = movie_with(folder, [])
    live_path = tmp_path / "live.0.journal"
    live = write_live_journal(live_path, movie, skipped=[6, 7])

    content, rows, _ = settled(live_path, live, movie)

    assert content.is_ended
    assert (rows.status == FrameStatus.SKIPPED).nonzero()[0].tolist() == [6, 7]


@pytest.mark.parametrize(
    ("dropped", "num_kept"), [([], 50), ([40], 36), ([12], 12), ([11], 0), ([0], 0)]
)
def test_segments_stay_whose_frames_have_kept_their_indices(
    tmp_path: Path, dropped: list[int], num_kept: int
) -> None:
    path = tmp_path / "mouse.isxb"
    small_movie(path, num_frames=50, dropped=dropped)
    movie = inspect_movie(path)
    run = UnfinishedRun(output_directory(tmp_path))
    with run.made(), segments_are_short():
        write_live_journal(run.live_journal(0), movie)
        labelled = run.path / "dlc_labeled_movie.0.mp4"
        _write_segments(segments_dir(labelled), 50)

        settle_movies(run, [movie], ends_at_skipped=False)

        assert num_finished_frames(labelled) == num_kept
        content = read_journal(run.journal(0))
        assert content is not None
        assert (content.num_frames, content.is_ended) == (50, True)
        assert content.num_body_parts == NUM_BODY_PARTS


def _write_segments(folder: Path, num_frames: int) -> None:
    folder.mkdir()
    for number, first in enumerate(range(0, num_frames, SEGMENT_LENGTH)):
        length = min(SEGMENT_LENGTH, num_frames - first)
        seal(small_movie(folder / f"{number:06}.mp4", num_frames=length))


def test_what_is_settled_is_not_settled_again(tmp_path: Path) -> None:
    path = tmp_path / "mouse.isxb"
    small_movie(path, num_frames=5)
    movie = inspect_movie(path)
    run = UnfinishedRun(output_directory(tmp_path))
    with run.made():
        write_live_journal(run.live_journal(0), movie)
        settle_movies(run, [movie], ends_at_skipped=False)
        before = run.journal(0).stat()

        settle_movies(run, [movie], ends_at_skipped=False)

        assert run.journal(0).stat().st_ino == before.st_ino
