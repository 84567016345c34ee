"""A stream is recorded as it comes, and its outputs are those of a run of the recording."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.recorder import open_recorder
from tests.engine.runs.recording import GUARD_S
from tests.small_movies import HEIGHT, WIDTH, pictures

COMMAND = [sys.executable, "-c", "import sys; from engine.cli import main; sys.exit(main())"]


def command(*arguments: object, data: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(  # noqa: S603 -- the command under test
        [*COMMAND, *map(str, arguments)],
        input=data,
        capture_output=True,
        timeout=GUARD_S,
        check=False,
    )


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the bytes of an MPEG transport stream."""
    return transport_stream(tmp_path_factory.mktemp("stream"), WIDTH, HEIGHT)


def transport_stream(folder: Path, width: int, height: int) -> bytes:
    path = folder / "mouse.ts"
    with open_recorder(path, width, height, 30) as recorder:
        for picture in pictures(30, width, height):
            recorder.write(picture)
    return path.read_bytes()


def test_standard_input_is_recorded_and_estimated(tmp_path: Path, stream: bytes) -> None:
    live, truth = tmp_path / "live", tmp_path / "run"

    followed = command("live", "-", "--output-dir", live, "--publish", "stdout", data=stream)

    assert followed.returncode == 0, followed.stderr
    assert followed.stdout.count(b"\n") == 30
    recording = live / "recording.0.mkv"
    assert command("run", recording, "--output-dir", truth).returncode == 0
    for name in ("dlc_pose_estimates.0.h5", "dlc_annotations.parquet"):
        assert (live / name).read_bytes() == (truth / name).read_bytes()


@pytest.mark.slow
def test_pictures_of_another_size_are_named_at_once_and_at_the_end_and_have_no_poses(
    tmp_path: Path, stream: bytes
) -> None:
    live = tmp_path / "live"
    wider = transport_stream(tmp_path, WIDTH + 64, HEIGHT)

    followed = command("live", "-", "--output-dir", live, data=stream + wider)

    assert followed.returncode == 0, followed.stderr
    change = f"from {WIDTH} x {HEIGHT} to {WIDTH + 64} x {HEIGHT} pixels"
    assert followed.stderr.count(change.encode()) == 2
    poses = pd.read_hdf(live / "dlc_pose_estimates.0.h5").to_numpy()
    assert not np.isnan(poses[:29]).any()
    assert np.isnan(poses[-25:, :2]).all()


def test_a_recording_is_in_the_way_of_another(tmp_path: Path, stream: bytes) -> None:
    live = tmp_path / "live"
    live.mkdir()
    (live / "recording.0.mkv").write_bytes(b"of yesterday")

    followed = command("live", "-", "--output-dir", live, "--overwrite", data=stream)

    assert followed.returncode == 2
    assert b"already holds a recording (recording.0.mkv)" in followed.stderr
    assert (live / "recording.0.mkv").read_bytes() == b"of yesterday"


def test_garbage_on_standard_input_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    followed = command(
        "live", "-", "--output-dir", tmp_path / "live", data=b"no movie at all\n" * 1000
    )

    assert followed.returncode == 1
    lines = followed.stderr.decode().splitlines()
    assert [line for line in lines if line.startswith("posestream: ")] == lines[-1:]
    assert b"Traceback" not in followed.stderr
    assert not (tmp_path / "live").exists()
