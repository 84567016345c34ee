"""Live sources that fail: the user is told, and what was recorded is kept."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import RunError
from engine.job.job import LiveOptions
from readers import InputError
from readers.growing.growing_file import GrowingFile
from tests.engine.runs.recording import (
    Camera,
    SeeingLoader,
    Watcher,
    live_job,
    record_live,
    run_live,
)
from tests.small_movies import small_movie

pytestmark = pytest.mark.usefixtures("short_segments")


def delete(path: Path) -> None:
    path.unlink()


def replace_it(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"something else" * 10)
    other.replace(path)


def truncate(path: Path) -> None:
    os.truncate(path, 200)


@pytest.mark.parametrize(
    ("suffix", "harm", "reason"),
    [
        (".isxb", delete, "deleted"),
        (".isxb", replace_it, "replaced"),
        (".isxb", truncate, "shorter"),
        (".mkv", truncate, "shorter"),
    ],
)
def test_a_file_that_is_gone_leaves_what_was_seen_of_it(
    tmp_path: Path, suffix: str, harm: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / f"mouse{suffix}"
    camera = Camera(path, num_frames=40, at_end=lambda: harm(path))
    job = live_job(tmp_path / "live")
    watcher = Watcher()

    result = record_live(camera, job, watcher=watcher)

    poses = pd.read_hdf(job.output_dir / "dlc_pose_estimates.0.h5").to_numpy()
    assert 38 <= len(poses) <= 40
    assert not np.isnan(poses).any()
    assert result.is_damaged
    assert any(reason in line and str(path) in line for line in watcher.warnings)
    assert all("\n" not in line for line in watcher.warnings)


def test_a_file_that_never_grows_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mouse.isxb"
    path.write_bytes(bytes(96))
    job = live_job(tmp_path / "live")

    with pytest.raises(RunError, match=r"mouse\.isxb: .*0\.2 s"):
        run_live(Camera(path), job, end_after_s=0.2)

    assert not job.output_dir.exists()


def test_a_writer_that_falls_silent_ends_the_recording(tmp_path: Path) -> None:
    camera = Camera(tmp_path / "mouse.isxb", num_frames=14, at_end=lambda: None)
    job = live_job(tmp_path / "live")
    watcher = Watcher()

    record_live(camera, job, watcher=watcher, end_after_s=1)

    assert len(pd.read_hdf(job.output_dir / "dlc_pose_estimates.0.h5")) == 14
    assert watcher.last is not None
    assert watcher.last.ended_by == "silent"


def test_the_first_interrupt_ends_the_recording_with_all_outputs(tmp_path: Path) -> None:
    main_thread = threading.get_ident()
    camera = Camera(tmp_path / "mouse.isxb", num_frames=14)
    job = live_job(tmp_path / "live")
    watcher = Watcher()

    def see(num_images: int) -> None:
        if num_images == 9:
            signal.pthread_kill(main_thread, signal.SIGINT)
        else:
            camera.see(num_images)

    record_live(camera, job, SeeingLoader(on_seen=see), watcher)

    assert 9 <= len(pd.read_hdf(job.output_dir / "dlc_pose_estimates.0.h5")) <= 14
    assert watcher.last is not None
    assert watcher.last.ended_by == "stopped"
    assert any("ending" in line for line in watcher.notes)


@pytest.mark.parametrize("start", [b"", b"\x1a\x45\xdf\xa3"])
def test_an_interrupt_before_the_first_picture_ends_the_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    path = tmp_path / "mouse.mkv"
    path.write_bytes(start)
    main_thread = threading.get_ident()
    watch = GrowingFile.watch
    num_looks = iter(range(10**9))

    def interrupting(file: GrowingFile) -> None:
        if next(num_looks) == 5:
            signal.pthread_kill(main_thread, signal.SIGINT)
        watch(file)

    monkeypatch.setattr(GrowingFile, "watch", interrupting)

    with pytest.raises(KeyboardInterrupt):
        run_live(Camera(path), live_job(tmp_path / "live"))

    assert next(num_looks) < 10
    assert not (tmp_path / "live").exists()


def test_a_plain_mp4_says_at_once_that_it_cannot_be_read_live(tmp_path: Path) -> None:
    path = tmp_path / "mouse.mp4"
    small_movie(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 100])

    with pytest.raises(InputError, match=r"mouse\.mp4: .*fragmented"):
        run_live(Camera(path), live_job(tmp_path / "live"))

    assert not (tmp_path / "live").exists()


def test_a_port_that_is_taken_is_told_before_anything_is_followed(tmp_path: Path) -> None:
    import socket

    movie = small_movie(tmp_path / "mouse.isxb")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for options in ({"publish": (f"tcp:{port}",)}, {"preview": str(port)}):
            with pytest.raises(InputError, match=str(port)):
                run_live(Camera(movie), live_job(tmp_path / "live"), **options)

    assert not (tmp_path / "live").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": ""}, "source '': must be"),
        ({"end_after_s": 0}, "end after s 0: must be a number of seconds above 0"),
        ({"end_after_s": float("nan")}, "end after s nan"),
        ({"when_behind": "hurry"}, "when behind 'hurry': allowed are all, skip"),
        ({"publish": ("carrier pigeon",)}, "carrier pigeon"),
        ({"publish": ("stdout", "stdout")}, "publish: 'stdout' was given twice"),
    ],
)
def test_options_that_break_a_rule(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as raised:
        LiveOptions(**{"source": "mouse.isxb"} | options)  # type: ignore[arg-type]  # bad on purpose

    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_status_file_that_cannot_be_written_is_told_before_anything_is_read(
    tmp_path: Path,
) -> None:
    movie = small_movie(tmp_path / "mouse.isxb")

    with pytest.raises(InputError, match="its directory does not exist"):
        run_live(Camera(movie), live_job(tmp_path / "live"), status=Path("/nowhere/status.json"))

    assert not (tmp_path / "live").exists()


def test_a_page_for_other_machines_needs_a_token(tmp_path: Path) -> None:
    movie = small_movie(tmp_path / "mouse.isxb")

    with pytest.raises(InputError, match="token"):
        run_live(Camera(movie), live_job(tmp_path / "live"), preview="0.0.0.0:0")
