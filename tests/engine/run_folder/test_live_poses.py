"""A run that fills in what a live run skipped takes the live run's poses for all else."""

from pathlib import Path

import numpy as np
import pytest

from engine.run_folder.live_journal import settle
from engine.run_folder.live_poses import LivePoses
from readers import FrameBatch, FrameStatus, MovieInfo, inspect_movie, open_movie
from tests.engine.live_runs.live_rows import NUM_BODY_PARTS, pose_of, write_live_journal
from tests.small_movies import small_movie

NUM_FRAMES = 12
DROPPED = [1, 8]


@pytest.fixture
def movie(tmp_path: Path) -> MovieInfo:
    return inspect_movie(
        small_movie(tmp_path / "mouse.isxb", num_frames=NUM_FRAMES, dropped=DROPPED)
    )


def batches(movie: MovieInfo, first: int, size: int) -> list[FrameBatch]:
    found: list[FrameBatch] = []
    with open_movie(movie) as reader:
        reader.skip(first)
        while True:
            batch = reader.read(np.empty((size, *reader.image_shape), np.uint8))
            if batch is None:
                return found
            found.append(batch)


@pytest.mark.parametrize("size", [1, 3, 20])
@pytest.mark.parametrize("skipped", [[4], [4, 5, 9], [0]])
def test_only_skipped_frames_are_left_to_the_model(
    tmp_path: Path, movie: MovieInfo, skipped: list[int], size: int
) -> None:
    live_path, done_path = tmp_path / "live.0.journal", tmp_path / "poses.0.journal"
    live = write_live_journal(live_path, movie, skipped=skipped)
    with open_movie(movie) as reader:
        settle(live_path, live, done_path, reader.times(), None, ends_at_skipped=True)
    recorded = [index for index in range(NUM_FRAMES) if index not in DROPPED]
    num_done = recorded[skipped[0]]  # and what was dropped before it

    left = []
    with LivePoses(live_path, done_path, num_done) as known:
        for batch in batches(movie, num_done, size):
            poses = np.full((len(batch), NUM_BODY_PARTS, 3), -1.0)
            is_known = known.fill(batch, poses)
            for index in range(len(batch)):
                if is_known[index]:
                    np.testing.assert_array_equal(poses[index], pose_of(batch.images[index]))
                elif batch.status[index] == FrameStatus.DECODED:
                    left.append(batch.first_frame_index + index)
                    assert (poses[index] == -1).all()

    assert left == [recorded[index] for index in skipped]


def test_frames_behind_the_live_runs_end_are_left_to_the_model(
    tmp_path: Path, movie: MovieInfo
) -> None:
    live_path, done_path = tmp_path / "live.0.journal", tmp_path / "poses.0.journal"
    live = write_live_journal(live_path, movie, num_frames=3, is_ended=False)
    settle(live_path, live, done_path, None, None, ends_at_skipped=True)
    (batch,) = batches(movie, 0, 20)

    with LivePoses(live_path, done_path, 0) as known:
        is_known = known.fill(batch, np.empty((len(batch), NUM_BODY_PARTS, 3)))

    assert is_known.nonzero()[0].tolist() == [0, 2, 3]


def test_without_a_live_run_nothing_is_known(tmp_path: Path, movie: MovieInfo) -> None:
    (batch,) = batches(movie, 0, 20)

    with LivePoses(tmp_path / "live.0.journal", tmp_path / "poses.0.journal", 0) as known:
        assert not known.fill(batch, np.empty((len(batch), NUM_BODY_PARTS, 3))).any()
