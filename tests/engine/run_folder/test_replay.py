"""A run that was stopped anywhere and resumed gives what a run that was never stopped gives."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.synthetic import write_isxb
from engine import CropRectangle
from engine.run_folder.journal import read_journal
from tests.engine.stopping import NUM_SEEN, contents, images_seen, job_for, resume
from tests.small_movies import pictures

pytestmark = pytest.mark.usefixtures("short_segments")


@settings(max_examples=3)
@given(stops=st.lists(st.integers(1, NUM_SEEN + 2), min_size=1, max_size=3))
def test_the_outputs_are_those_of_a_run_that_was_not_stopped(
    recording: Path,
    whole_run: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    stops: list[int],
) -> None:
    job = job_for([recording], tmp_path_factory.mktemp("stopped"))
    num_seen = 0
    for index, num_images in enumerate(stops):
        num_seen += images_seen(replace(job, resume=index > 0), num_images)
    num_seen += resume(job)

    assert contents(job.output_dir) == whole_run
    assert num_seen == NUM_SEEN  # no image twice


@pytest.mark.often(1)
@pytest.mark.parametrize(
    "options",
    [
        {"experiment_annotations_format": "csv", "window_length": 1, "trail_points": 0},
        {"crop_rect": CropRectangle(11, 7, 90, 61), "coordinates": "movie"},
        {"keypoints_only": True, "draw_skeleton": True, "window_length": 101},
        {"batch_size": None, "output_frame_rate": 3.5},
    ],
)
def test_it_holds_for_all_options(recording: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    for name in ("whole", "stopped"):
        job = job_for([recording], tmp_path / name, **options)
        images_seen(job, 25 if name == "stopped" else None)
    resume(job)

    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


@pytest.mark.often(1)
@pytest.mark.parametrize("num_images", [10, 13, 28, 33])
def test_it_holds_for_movies_with_frames_that_cannot_be_decoded(
    damaged_recording: Path, tmp_path: Path, num_images: int
) -> None:
    for name in ("whole", "stopped"):
        job = job_for([damaged_recording], tmp_path / name)
        images_seen(job, num_images if name == "stopped" else None)
    resume(job)

    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    result = json.loads((tmp_path / "whole" / "output_metadata.json").read_text())
    (told,) = result["posestream"]["movies"]
    assert told["num_not_decodable"] == 4
    assert told["not_decodable_frames"]["ranges"] == [[11, 13], [30, 30]]


@pytest.mark.often(1)
@pytest.mark.parametrize("num_images", [20, 43, 44, 70, 100])
def test_it_holds_for_several_movies(recording: Path, tmp_path: Path, num_images: int) -> None:
    later = tmp_path / "later.isxb"
    write_isxb(later, pictures(60), 25, start_time_ms=1_700_000_060_000)
    num_seen = 0
    for name in ("whole", "stopped"):
        job = job_for([recording, later], tmp_path / name)
        num_seen = images_seen(job, num_images if name == "stopped" else None)
    num_seen += resume(job)

    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert num_seen == NUM_SEEN + 60


def test_a_batch_size_that_was_probed_is_kept(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for([recording], tmp_path, batch_size="auto")
    for probed in (3, 5):
        monkeypatch.setattr("engine.runs.run.probe_batch_size", lambda *_, size=probed: size)
        images_seen(replace(job, resume=probed == 5), 30 if probed == 3 else None)
        journal = read_journal(tmp_path / "unfinished-run" / "poses.0.journal")
        assert journal is None or journal.batch_size == 3

    assert contents(tmp_path)["dlc_pose_estimates.0.h5"] == whole_run["dlc_pose_estimates.0.h5"]


def test_segments_that_are_lost_are_drawn_again(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_for([recording], tmp_path)
    images_seen(job, 40)
    (segments,) = (tmp_path / "unfinished-run").glob(".*.segments")
    assert len(list(segments.iterdir())) >= 2
    (segments / "000001.mp4").unlink()

    assert resume(job) < 10
    assert contents(tmp_path) == whole_run


def test_segments_beyond_a_torn_journal_are_no_matter(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_for([recording], tmp_path)
    images_seen(job, 40)
    journal = tmp_path / "unfinished-run" / "poses.0.journal"
    with journal.open("rb+") as file:
        file.truncate(journal.stat().st_size // 3)

    assert resume(job) > 20
    assert contents(tmp_path) == whole_run
