"""A run says what its movies lack: at its end, and in the metadata."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthetic import write_isxb
from engine import live, run
from engine.builtin import DEMO_MOVIE
from tests.cases import CASES
from tests.engine.runs.recording import Watcher
from tests.engine.stopping import Loader, contents, images_seen, job_for, resume
from tests.small_movies import pictures

SIZES = "changes its size at frame 10, from 320 x 240 to 640 x 480 pixels"
STREAMS = "holds 2 video streams: stream 0 (320 x 240 pixels, h264) is read"


def told_in(output_dir: Path) -> dict[str, Any]:
    metadata = json.loads((output_dir / "output_metadata.json").read_text())
    told: dict[str, Any] = metadata["posestream"]
    return told


def test_dropped_frames_are_warned_of(tmp_path: Path) -> None:
    write_isxb(tmp_path / "a.isxb", pictures(10), 25, dropped=[0, 4, 5])

    result = run(job_for([tmp_path / "a.isxb"], tmp_path / "out"), load=Loader())

    warning = (
        f"{tmp_path / 'a.isxb'}: 3 of 10 frames were dropped by the recorder; their poses are NaN"
    )
    assert result.warnings[-1] == warning
    assert not result.is_damaged
    assert told_in(tmp_path / "out")["warnings"] == list(result.warnings)


@pytest.mark.slow
def test_the_demo_has_three_and_no_other_warning(tmp_path: Path) -> None:
    (warning,) = run(job_for([DEMO_MOVIE], tmp_path / "out"), load=Loader()).warnings
    assert "3 of 200 frames were dropped by the recorder" in warning


@pytest.mark.often(1)
@pytest.mark.parametrize("stop_after", [None, 6, 10])
def test_a_change_of_size_is_named_also_by_a_run_that_was_stopped(
    tmp_path: Path, stop_after: int | None
) -> None:
    job = job_for([CASES / "size_changes.ts"], tmp_path / "out")
    images_seen(job, stop_after)
    resume(job)

    told = told_in(tmp_path / "out")

    assert SIZES in told["movies"][0]["damage"]
    assert told["movies"][0]["not_decodable_frames"]["ranges"] == [[10, 19]]
    assert [SIZES in warning for warning in told["warnings"]] == [False, True, False]
    if stop_after is not None:
        whole = job_for([CASES / "size_changes.ts"], tmp_path / "whole")
        images_seen(whole)
        assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_several_video_streams_are_named_once(tmp_path: Path) -> None:
    path = CASES / "two_video_streams.mp4"

    result = run(job_for([path], tmp_path / "out"), load=Loader())

    told = told_in(tmp_path / "out")
    assert [warning for warning in result.warnings if STREAMS in warning] == [result.warnings[1]]
    assert told["movies"][0]["notes"][0].startswith(STREAMS)
    assert (told["movies"][0]["width"], told["movies"][0]["num_frames"]) == (320, 30)


@pytest.mark.often(1)
@pytest.mark.parametrize(
    ("name", "text"), [("size_changes.ts", SIZES), ("two_video_streams.mp4", STREAMS)]
)
def test_a_live_run_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    watcher = Watcher()

    job = job_for([], tmp_path / "live")
    live(job, CASES / name, watcher, load=Loader(), end_after_s=0.5)
    run(job_for([CASES / name], tmp_path / "run"), load=Loader())

    while_recorded, told = told_in(tmp_path / "live"), told_in(tmp_path / "run")
    assert text in watcher.warnings[1]
    assert while_recorded["warnings"] == told["warnings"]
    assert while_recorded["movies"] == told["movies"]
