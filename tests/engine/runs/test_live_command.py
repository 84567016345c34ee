"""The command ``posestream live``, as a process that others start, stop and listen to."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pytest

from engine.cli.command import EXIT_BAD_INPUT, main
from tests.engine.runs.recording import GUARD_S, Camera
from tests.small_movies import small_movie

COMMAND = [sys.executable, "-c", "import sys; from engine.cli import main; sys.exit(main())"]


@contextmanager
def live_process(camera: Camera, *options: object) -> Iterator[subprocess.Popen[str]]:
    """Start the command; kill it if the test does not see it end."""
    arguments = ["live", str(camera.path), *map(str, options)]
    process = subprocess.Popen(  # noqa: S603 -- the command under test
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def messages(stream: IO[str] | None) -> Iterator[dict[str, Any]]:
    assert stream is not None
    return map(json.loads, stream)


@pytest.mark.slow
def test_every_pose_is_told_while_the_camera_records(tmp_path: Path) -> None:
    output_dir = tmp_path / "live"
    camera = Camera(tmp_path / "mouse.isxb", num_frames=30)
    with (
        camera.recording(),
        live_process(camera, "--output-dir", output_dir, "--publish", "stdout") as process,
    ):
        frames = []
        for message in messages(process.stdout):
            frames.append(message["frame"])
            camera.see(len(frames))
        assert process.stderr is not None
        told = process.stderr.read()
        assert process.wait(GUARD_S) == 0

    assert frames == list(range(30))
    assert len(pd.read_hdf(output_dir / "dlc_pose_estimates.0.h5")) == 30
    assert str(output_dir / "output_metadata.json") in told
    assert "ended (closed)" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_what_came_while_the_process_was_stopped_is_worked_off(tmp_path: Path) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=60)
    with (
        camera.recording(),
        live_process(camera, "--output-dir", tmp_path / "live", "--publish", "stdout") as process,
    ):
        lines = messages(process.stdout)
        frames = []
        for _ in range(5):
            frames.append(next(lines)["frame"])
            camera.see(len(frames))
        process.send_signal(signal.SIGSTOP)
        camera.see(45)  # as if it had seen these: so many more are recorded
        camera.wait_until_recorded(45)
        process.send_signal(signal.SIGCONT)
        for message in lines:
            frames.append(message["frame"])
            camera.see(max(45, len(frames)))
        assert process.wait(GUARD_S) == 0

    assert frames == list(range(60))


@pytest.mark.often(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_recording_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    output_dir = tmp_path / "live"
    camera = Camera(tmp_path / "mouse.isxb", num_frames=30)
    with (
        camera.recording(),
        live_process(camera, "--output-dir", output_dir, "--publish", "stdout") as process,
    ):
        frames = []
        for message in messages(process.stdout):
            frames.append(message["frame"])
            if len(frames) == 10:
                process.send_signal(number)
            elif len(frames) < 10:
                camera.see(len(frames))
        assert process.wait(GUARD_S) == 0

    assert frames == list(range(len(frames)))
    assert len(pd.read_hdf(output_dir / "dlc_pose_estimates.0.h5")) == len(frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--end-after", "soon"], "--end-after"),
        (["--end-after", "-1"], "end after s -1"),
        (["--when-behind", "panic"], "allowed are all, skip"),
        (["--publish", "tcp:99999999"], "tcp:99999999"),
        (["--publish", "zmq:nowhere"], "zmq"),
        (["--preview", "0.0.0.0:8000"], "token"),
        (["--preview", "8000", "--preview-token-file", "none"], "preview token file none"),
        (["--window-length", "4"], "window length 4: must be odd"),
        (["--model", "no-such-folder"], "no-such-folder"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    movie = small_movie(tmp_path / "mouse.isxb")

    exit_code = main(["live", str(movie), "--output-dir", str(tmp_path / "live"), *options])

    assert exit_code == EXIT_BAD_INPUT
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "live").exists()


def test_without_an_output_directory_it_asks_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", str(small_movie(tmp_path / "mouse.isxb"))]) == EXIT_BAD_INPUT
    assert "--output-dir" in capsys.readouterr().err
