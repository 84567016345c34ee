"""Work never ends, waits or fails for want of somebody who listens."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.recorder import open_recorder
from engine import run
from engine.cli import main
from engine.cli.standard_streams import _MOST_WAITING, message_stream
from tests.engine.stopping import Loader
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import HEIGHT, WIDTH, pictures

NUM_FRAMES = 120
DEADLINE_S = 60
COMMAND = [sys.executable, "-c", "import sys; from engine.cli import main; sys.exit(main())"]


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movie") / "movie.mkv"
    recorder = open_recorder(path, WIDTH, HEIGHT, 30)
    for picture in pictures(NUM_FRAMES):
        recorder.write(picture)
    recorder.close()
    return path


# Whole commands


Listener = Callable[[], AbstractContextManager[tuple[int, Callable[[int], None]]]]


@contextmanager
def closed_after_a_line() -> Iterator[tuple[int, Callable[[int], None]]]:
    """Read as `head -1` does."""
    read_end, write_end = os.pipe()

    def act(_process: int) -> None:
        os.close(write_end)
        assert os.read(read_end, 1)
        os.close(read_end)

    yield write_end, act


@contextmanager
def never_read() -> Iterator[tuple[int, Callable[[int], None]]]:
    """Be full from the start, as a pipe to a program that hangs."""
    read_end, write_end = os.pipe()
    size = fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write_end, bytes(size))
    yield write_end, lambda _: os.close(write_end)
    os.close(read_end)


@contextmanager
def hung_up() -> Iterator[tuple[int, Callable[[int], None]]]:
    """Close the terminal that the command was started in."""
    master, slave = pty.openpty()

    def act(process: int) -> None:
        os.close(slave)
        assert os.read(master, 1)
        os.close(master)
        os.kill(process, signal.SIGHUP)

    yield slave, act


@pytest.mark.often(1)
@pytest.mark.parametrize(
    ("command", "listener"),
    [("live", closed_after_a_line), ("live", never_read), ("run", hung_up)],
)
def test_all_is_recorded_and_made_whatever_becomes_of_who_listens(
    tmp_path: Path, movie: Path, command: str, listener: Listener
) -> None:
    source = "-" if command == "live" else str(movie)
    with listener() as (descriptor, act), movie.open("rb") as standard_input:
        process = subprocess.Popen(  # noqa: S603 -- this project's own command
            [*COMMAND, command, source, "--output-dir", str(tmp_path / "out")],
            stdin=standard_input,
            stdout=subprocess.DEVNULL,
            stderr=descriptor,
        )
        try:
            act(process.pid)
            assert process.wait(DEADLINE_S) == 0
        finally:
            process.kill()
            process.wait()

    recording = {"recording.0.mkv"} if command == "live" else set()
    outputs = {path.name for path in (tmp_path / "out").iterdir()}
    assert outputs == OUTPUTS_OF_ONE_MOVIE | recording
    assert len(pd.read_hdf(tmp_path / "out/dlc_pose_estimates.0.h5")) == NUM_FRAMES


def test_a_closed_stream_is_not_taken_for_the_next_file_that_is_opened(tmp_path: Path) -> None:
    """Libraries write to descriptors 1 and 2, whatever is open there."""
    program = (
        "import os, sys; from engine.cli.standard_streams import set_up_streams; set_up_streams(); "
        "file = open(sys.argv[1], 'w'); os.write(1, b'noise'); os.write(2, b'noise'); "
        "sys.exit(file.fileno())"
    )
    done = subprocess.run(  # noqa: S603 -- this test's own program
        ["/bin/sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", sys.executable, "-c", program, "file"],
        cwd=tmp_path,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode > 2
    assert (tmp_path / "file").read_bytes() == b""


def test_an_error_is_told_on_no_other_stream(tmp_path: Path) -> None:
    """With its standard error closed, Python's own `print` would take the standard output."""
    done = subprocess.run(  # noqa: S603 -- this project's own command
        ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "inspect", "none.avi"],
        capture_output=True,
        cwd=tmp_path,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


def test_a_movie_cannot_come_from_a_closed_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["live", "-", "--output-dir", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "posestream: standard input: is closed; a movie has to be written to it\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "exit_code"), [("run", 0), ("inspect", 1)], ids=["told", "the only output"]
)
def test_a_full_disk_behind_the_standard_output_is_told(
    tmp_path: Path,
    movie: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    exit_code: int,
) -> None:
    monkeypatch.setattr("engine.runs.run.run", partial(run, load=Loader()))
    options = ["--output-dir", str(tmp_path / "out")] if command == "run" else []
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        assert main([command, str(movie), *options]) == exit_code
    assert capsys.readouterr().err.splitlines()[-1] == (
        "posestream: standard output: cannot be written (No space left on device)"
    )


# The stream itself


@contextmanager
def messages() -> Iterator[tuple[io.TextIOWrapper, int]]:
    """Give a stream into a pipe of 4 KiB, and the end at which it is read."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    stream = message_stream(write_end)
    try:
        yield stream, read_end
    finally:
        os.close(read_end)
        stream.close()
        os.close(write_end)


def test_what_is_read_in_time_is_all_that_was_written() -> None:
    with messages() as (stream, read_end):
        for number in range(3000):
            print(f"line {number}", file=stream)
            assert os.read(read_end, 4096) == f"line {number}\n".encode()


def test_who_reads_late_finds_the_last_messages() -> None:
    with messages() as (stream, read_end):
        for number in range(3000):
            print(f"line {number}", file=stream)
        told = b""
        while not told.endswith(b"line 3000\n"):
            told += os.read(read_end, 4096)
            print("line 3000", file=stream)
        lines = told.decode().splitlines()

    assert lines[0] == "line 0"
    wanted = [f"line {number}" for number in range(3000 - _MOST_WAITING + 5, 3001)]
    assert [line for line in lines if line in wanted][: len(wanted)] == wanted


def test_a_warning_longer_than_the_pipe_does_not_wait() -> None:
    with messages() as (stream, read_end):
        print("x" * 100_000, file=stream)
        assert os.read(read_end, 10_000) == b"x" * 4096


def test_what_another_process_shares_stays_as_it_is() -> None:
    """Its own writes to the same pipe would fail if they did not wait any more."""
    read_end, write_end = os.pipe()
    shared = os.dup(write_end)
    message_stream(write_end)
    assert not os.get_blocking(write_end)
    assert os.get_blocking(shared)
    for descriptor in (read_end, write_end, shared):
        os.close(descriptor)


def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    stream = message_stream(descriptor)
    print("after", file=stream)
    os.close(descriptor)
    assert path.read_text() == "before\nafter\n"


def test_a_terminal_stays_one() -> None:
    master, slave = pty.openpty()
    stream = message_stream(slave)
    assert stream.isatty()
    termios.tcflow(slave, termios.TCOOFF)  # as Ctrl-S does
    for number in range(10_000):
        print(f"line {number}", file=stream)
    termios.tcflow(slave, termios.TCOON)
    print("at last", file=stream)
    assert os.read(master, 100).startswith(b"line ")
    for descriptor in (master, slave):
        os.close(descriptor)


def test_what_is_said_within_a_write_is_said_too() -> None:
    """An object that is thrown away there may warn."""
    with messages() as (stream, read_end):
        raw: Any = stream.buffer
        with raw._lock:
            print("within", file=stream)
        assert os.read(read_end, 100) == b"within\n"
