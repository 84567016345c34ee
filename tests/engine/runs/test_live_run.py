"""A live run gives what a run of the recorded movie gives, and gives it as the frames come."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import CropRectangle, Job, RunError, run
from engine.run_folder.journal import read_journal
from readers import InputError, inspect_movie, open_movie
from tests.engine.runs.recording import (
    FRAME_RATE,
    Camera,
    SeeingLoader,
    Watcher,
    live_job,
    record_live,
    run_job,
    run_live,
)
from tests.engine.stopping import Loader, PowerCut, segments_are_short
from tests.small_movies import small_movie

pytestmark = pytest.mark.usefixtures("short_segments")

POSES = "dlc_pose_estimates.0.h5"
ANNOTATIONS = "dlc_annotations.parquet"
OF_ONE_MOVIE = sorted(
    [
        ANNOTATIONS,
        POSES,
        "dlc_labeled_movie.0.mp4",
        "hist.0.svg",
        "plot-likelihood.0.svg",
        "plot.0.svg",
        "trajectory.0.png",
        "output_metadata.json",
    ]
)


def outputs_of_run(movie: Path, live_run: Job, tmp_path: Path) -> Path:
    """Run the recorded movie; give the folder of its outputs."""
    output_dir = tmp_path / "run"
    run(replace(run_job(movie, live_run), output_dir=output_dir), load=Loader())
    return output_dir


def assert_same(live_dir: Path, run_dir: Path) -> None:
    for name in (POSES, ANNOTATIONS, "plot.0.svg"):
        assert (live_dir / name).read_bytes() == (run_dir / name).read_bytes(), name


@pytest.mark.often(2)
@pytest.mark.parametrize(
    ("suffix", "ahead"),
    [(".isxb", 1), (".isxb", 7), (".avi", 1), (".mp4", 1), (".mkv", 7), (".ts", 1)],
)
def test_the_outputs_are_those_of_a_run_of_the_recorded_movie(
    tmp_path: Path, suffix: str, ahead: int
) -> None:
    camera = Camera(tmp_path / f"mouse{suffix}", num_frames=50, ahead=ahead)
    job = live_job(tmp_path / "live")
    loader = SeeingLoader(camera)

    result = record_live(camera, job, loader, end_after_s=2 if suffix == ".ts" else 60)

    assert sorted(path.name for path in job.output_dir.iterdir()) == OF_ONE_MOVIE
    assert [path.name for path in result.outputs] == OF_ONE_MOVIE
    assert loader.num_images == 50
    assert_same(job.output_dir, outputs_of_run(camera.path, job, tmp_path))


@pytest.mark.often(1)
@pytest.mark.parametrize(
    "options",
    [
        {"crop_rect": CropRectangle(11, 7, 90, 61), "coordinates": "movie"},
        {"window_length": 1, "batch_size": 1},
        {"window_length": 101, "trail_points": 5},
    ],
)
def test_it_holds_for_all_options(tmp_path: Path, options: dict[str, Any]) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=30, dropped=[3, 4, 17])
    job = live_job(tmp_path / "live", **options)

    record_live(camera, job)

    assert_same(job.output_dir, outputs_of_run(camera.path, job, tmp_path))


@pytest.mark.often(1)
@pytest.mark.parametrize("dropped", [[0], [11, 12], [2, 3, 29]])
def test_frames_that_the_recorder_lost_get_their_rows_at_the_end(
    tmp_path: Path, dropped: list[int]
) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=30, dropped=dropped)
    job = live_job(tmp_path / "live")
    loader = SeeingLoader(camera)

    record_live(camera, job, loader)

    assert loader.num_images == 30 - len(dropped)
    assert_same(job.output_dir, outputs_of_run(camera.path, job, tmp_path))
    with open_movie(inspect_movie(job.output_dir / "dlc_labeled_movie.0.mp4")) as labelled:
        times_s = [frame.time_s for frame in labelled.times()]
    np.testing.assert_allclose(times_s, np.arange(30) / FRAME_RATE, atol=1e-9)


@pytest.mark.often(1)
@pytest.mark.parametrize(
    ("suffix", "stop_after"), [(".isxb", 1), (".isxb", 12), (".isxb", 20), (".mkv", 11)]
)
def test_a_live_run_that_was_killed_is_gone_on_with_by_a_run(
    tmp_path: Path, suffix: str, stop_after: int
) -> None:
    camera = Camera(tmp_path / f"mouse{suffix}", num_frames=30)
    job = live_job(tmp_path / "live")
    loader = SeeingLoader(camera, stop_after, PowerCut)
    with pytest.raises(PowerCut):
        record_live(camera, job, loader)
    rest = Loader()

    run(replace(run_job(camera.path, job), resume=True), load=rest)

    assert rest.model is not None
    assert loader.num_images + rest.model.num_images == 30  # none twice
    assert_same(job.output_dir, outputs_of_run(camera.path, job, tmp_path))
    assert sorted(path.name for path in job.output_dir.iterdir()) == OF_ONE_MOVIE


@pytest.mark.often(1)
@pytest.mark.parametrize(("suffix", "stop_after"), [(".isxb", 13), (".mkv", 1)])
def test_a_live_run_that_was_killed_is_gone_on_with_while_the_camera_records(
    tmp_path: Path, suffix: str, stop_after: int
) -> None:
    camera = Camera(tmp_path / f"mouse{suffix}", num_frames=30)
    job = live_job(tmp_path / "live")
    first = SeeingLoader(camera, stop_after, PowerCut)
    second = SeeingLoader(on_seen=lambda num_images: camera.see(first.num_images + num_images))

    with camera.recording():
        with pytest.raises(PowerCut):
            run_live(camera, job, first)
        run_live(camera, replace(job, resume=True), second)

    assert first.num_images + second.num_images == 30  # none twice
    assert_same(job.output_dir, outputs_of_run(camera.path, job, tmp_path))


def test_skipped_frames_keep_their_rows_and_can_be_filled_in(tmp_path: Path) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=30, dropped=[2, 20], ahead=6)
    job = live_job(tmp_path / "live", window_length=3)
    loader, rest, watcher = SeeingLoader(camera), Loader(), Watcher()

    record_live(camera, job, loader, watcher, when_behind="skip")

    num_skipped = 28 - loader.num_images
    assert num_skipped > 0
    assert any(f"{num_skipped} of 30 frames were skipped" in line for line in watcher.warnings)
    poses = pd.read_hdf(job.output_dir / POSES).to_numpy()
    assert len(poses) == 30
    assert np.isnan(poses).any(axis=1).sum() == num_skipped + 2
    with pytest.raises(InputError, match="its recording has ended; go on with posestream run"):
        run_live(camera, replace(job, resume=True))

    run(replace(run_job(camera.path, job), resume=True), load=rest)

    assert rest.model is not None
    assert rest.model.num_images == num_skipped
    assert_same(job.output_dir, outputs_of_run(camera.path, job, tmp_path))
    assert sorted(path.name for path in job.output_dir.iterdir()) == OF_ONE_MOVIE


@pytest.mark.often(1)
@pytest.mark.parametrize("ends", ["while frames are filled in", "before all outputs are whole"])
def test_filling_in_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=40, dropped=[2, 30], ahead=16)
    job = live_job(tmp_path / "live", batch_size=2)
    resumed = replace(run_job(camera.path, job), resume=True)
    loader, stopped, rest = SeeingLoader(camera), Loader(), Loader()
    if ends == "before all outputs are whole":
        monkeypatch.setattr("engine.runs.run.write_metadata", raise_power_cut)
        with pytest.raises(PowerCut):
            record_live(camera, job, loader, when_behind="skip")
        monkeypatch.undo()
        with segments_are_short():
            run(resumed, load=rest)
    else:
        record_live(camera, job, loader, when_behind="skip")
        stopped.stop_after = 4
        with pytest.raises(PowerCut):
            run(resumed, load=stopped)
        run(resumed, load=rest)

    num_filled = sum(each.model.num_images for each in (stopped, rest) if each.model is not None)
    assert num_filled == 38 - loader.num_images > 4
    run_dir = outputs_of_run(camera.path, job, tmp_path)
    assert_same(job.output_dir, run_dir)
    labelled = "dlc_labeled_movie.0.mp4"
    assert (job.output_dir / labelled).read_bytes() == (run_dir / labelled).read_bytes()


def raise_power_cut(*_: object, **__: object) -> None:
    raise PowerCut


def test_annotations_can_be_read_while_they_grow(tmp_path: Path) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=30)
    job = live_job(tmp_path / "live", window_length=1)
    seen: list[int] = []

    def look(num_images: int) -> None:
        camera.see(num_images)
        seen.append(len(pd.read_parquet(job.output_dir / "unfinished-run" / "annotations")))

    record_live(camera, job, SeeingLoader(on_seen=look))

    assert seen == sorted(seen)
    assert seen[0] == 0
    assert not (job.output_dir / "unfinished-run").exists()


def test_everybody_hears_of_each_frame_once_and_in_order(tmp_path: Path, capfd: Any) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=20, dropped=[3])
    job = live_job(tmp_path / "live")
    status = tmp_path / "status.json"
    watcher = Watcher()

    record_live(camera, job, watcher=watcher, publish=("stdout",), status=status)

    messages = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [message["frame"] for message in messages] == list(range(19))
    assert {message["movie"] for message in messages} == {0}
    arrivals = [message["arrival_time_s"] for message in messages]
    assert arrivals == sorted(arrivals)
    told = json.loads(status.read_text())
    assert told["num_published"] == 19
    assert (told["backlog"], told["is_over"], told["ended_by"]) == (0, True, "closed")
    assert watcher.last is not None
    assert watcher.last.is_over


def test_a_recording_that_is_shorter_than_the_filters_window_is_warned_of(tmp_path: Path) -> None:
    camera = Camera(tmp_path / "mouse.avi", num_frames=9)
    watcher = Watcher()

    result = record_live(camera, live_job(tmp_path / "live", window_length=11), watcher=watcher)

    assert [line for line in watcher.warnings if "9 frames are fewer than the median" in line]
    assert set(watcher.warnings) == set(result.warnings)


def test_published_poses_are_those_before_the_filter(tmp_path: Path, capfd: Any) -> None:
    camera = Camera(tmp_path / "mouse.avi", num_frames=9)
    crop = CropRectangle(11, 7, 90, 61)
    job = live_job(tmp_path / "live", crop_rect=crop, coordinates="movie", window_length=9)

    record_live(camera, job, publish=("stdout",))

    messages = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    plain = replace(job, output_dir=tmp_path / "plain", window_length=1)
    run(run_job(camera.path, plain), load=Loader())
    truth = pd.read_hdf(plain.output_dir / POSES).to_numpy().reshape(9, -1, 3)
    told = [list(message["body_parts"].values()) for message in messages]
    np.testing.assert_allclose(told, truth, atol=1e-3)


def test_old_results_are_in_the_way_before_anything_is_followed(tmp_path: Path) -> None:
    movie = small_movie(tmp_path / "mouse.avi")
    job = live_job(tmp_path / "live")
    run(run_job(movie, job), load=Loader())

    with pytest.raises(InputError, match="already holds results"):
        run_live(Camera(movie), job)


def test_an_unfinished_live_run_is_in_the_way_of_another(tmp_path: Path) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=9)
    job = live_job(tmp_path / "live")
    with pytest.raises(PowerCut):
        record_live(camera, job, SeeingLoader(camera, 4, PowerCut))

    with pytest.raises(InputError, match="holds an unfinished run"):
        run_live(camera, job)
    with pytest.raises(InputError, match="window length"):
        run_live(camera, replace(job, window_length=3, resume=True))


@pytest.mark.parametrize("command", ["run", "live"])
def test_another_recording_is_not_gone_on_with(tmp_path: Path, command: str) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=9)
    job = live_job(tmp_path / "live")
    with pytest.raises(PowerCut):
        record_live(camera, job, SeeingLoader(camera, 4, PowerCut))
    other = small_movie(tmp_path / "other.isxb", num_frames=9, quality=20)

    def go_on() -> None:
        if command == "run":
            run(replace(run_job(other, job), resume=True), load=Loader())
        else:
            run_live(Camera(other), replace(job, resume=True))

    with pytest.raises((InputError, RunError), match=r"first picture|another recording"):
        go_on()
    assert read_journal(job.output_dir / "unfinished-run" / "poses.0.journal") is not None
