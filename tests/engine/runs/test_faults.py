"""Faults from outside a run: each gives one line, and resuming gives all outputs."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.synthetic import MouseMovie, write_isxb
from engine.run_folder.journal import read_journal
from tests.engine.stopping import contents
from tests.outputs import OUTPUTS_OF_ONE_MOVIE

NUM_FRAMES = 200
DEADLINE_S = 120
COMMAND = [sys.executable, "-c", "import sys, engine.cli; sys.exit(engine.cli.main())", "run"]
FOLDER = "unfinished-run"
JOURNAL = f"{FOLDER}/poses.0.journal"
PARTS = [
    f"{FOLDER}/.run.partial.json",
    JOURNAL,
    f"{FOLDER}/.dlc_labeled_movie.0.segments/.000000.partial.mp4",
    f"{FOLDER}/.dlc_labeled_movie.0.partial.mp4",
    f"{FOLDER}/.dlc_pose_estimates.0.partial.h5",
    f"{FOLDER}/.dlc_annotations.partial.parquet",
    f"{FOLDER}/.hist.0.partial.svg",
    f"{FOLDER}/.output_metadata.partial.json",
]
"""Files that a run writes on its way, as they are named then."""


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movie") / "movie.isxb"
    images = list(MouseMovie(seed=5, width=96, height=64, num_frames=50).images())
    write_isxb(path, (images[index % 50] for index in range(NUM_FRAMES)), 25)
    return path


def command(movie: Path, output_dir: Path, *options: str) -> list[str]:
    return [*COMMAND, str(movie), "--output-dir", str(output_dir), *options]


@pytest.fixture(scope="module")
def whole(movie: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    output_dir = tmp_path_factory.mktemp("whole")
    subprocess.run(command(movie, output_dir), check=True, capture_output=True)  # noqa: S603 -- our own command
    assert {path.name for path in output_dir.iterdir()} == OUTPUTS_OF_ONE_MOVIE
    return contents(output_dir)


def begin(movie: Path, output_dir: Path, *options: str) -> subprocess.Popen[str]:
    """Start a run, and return when its first frames are in the journal."""
    process = subprocess.Popen(  # noqa: S603 -- our own command
        command(movie, output_dir, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: num_frames_in(output_dir / JOURNAL) > 0, process)
    return process


def num_frames_in(journal: Path) -> int:
    content = read_journal(journal)
    return 0 if content is None else content.num_frames


def wait_for(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    pause = threading.Event()
    for _ in range(DEADLINE_S * 100):
        if is_so():
            return
        assert process.poll() is None, process.communicate()
        pause.wait(0.01)
    pytest.fail("nothing came of the run")


def last_line(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert "Traceback" not in errors
    return errors.splitlines()[-1]


def check_resuming_gives(whole: dict[str, bytes], movie: Path, output_dir: Path) -> None:
    resumed = subprocess.run(  # noqa: S603 -- our own command
        command(movie, output_dir, "--resume"), capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    assert contents(output_dir) == whole


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_in_the_middle_of_a_segment(
    movie: Path, whole: dict[str, bytes], tmp_path: Path, number: signal.Signals
) -> None:
    process = begin(movie, tmp_path)
    process.send_signal(number)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode in (128 + number, -number)
    check_resuming_gives(whole, movie, tmp_path)


@pytest.mark.slow
def test_a_second_run_on_the_same_directory_is_refused(
    movie: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    first = begin(movie, tmp_path)
    first.send_signal(signal.SIGSTOP)
    try:
        for option in ("--resume", "--overwrite", "--keypoints-only"):
            second = subprocess.run(  # noqa: S603 -- our own command
                command(movie, tmp_path, option), capture_output=True, text=True, check=False
            )
            assert second.returncode == 2
            (line,) = second.stderr.splitlines()
            assert f"another run works on it (process {first.pid} on " in line
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.communicate(timeout=DEADLINE_S)[1].count("\n") >= 2
    assert first.returncode == 0
    assert contents(tmp_path) == whole


@pytest.mark.slow
def test_the_lock_of_a_dead_process_is_taken_over(
    movie: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    process = begin(movie, tmp_path)
    process.kill()
    process.communicate()
    assert (tmp_path / FOLDER / "lock").exists()
    check_resuming_gives(whole, movie, tmp_path)


@pytest.mark.slow
def test_an_output_directory_that_is_gone(movie: Path, tmp_path: Path) -> None:
    process = begin(movie, tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    line = last_line(process)
    assert process.returncode == 1
    assert line.startswith(f"posestream: {tmp_path}/out/{FOLDER}/")
    assert "cannot be written (No such file or directory)" in line


@pytest.mark.slow
def test_a_movie_that_is_gone(movie: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    copy = tmp_path / movie.name
    shutil.copy2(movie, copy)
    process = begin(copy, tmp_path / "out")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    copy.rename(tmp_path / "elsewhere.isxb")
    resumed = subprocess.run(  # noqa: S603 -- our own command
        command(copy, tmp_path / "out", "--resume"), capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 2
    assert resumed.stderr == f"posestream: {copy}: there is no such file\n"

    (tmp_path / "elsewhere.isxb").rename(copy)
    resumed = subprocess.run(  # noqa: S603 -- our own command
        command(copy, tmp_path / "out", "--resume"), capture_output=True, text=True, check=True
    )
    made = contents(tmp_path / "out")
    assert made["dlc_pose_estimates.0.h5"] == whole["dlc_pose_estimates.0.h5"]
    assert made["dlc_labeled_movie.0.mp4"] == whole["dlc_labeled_movie.0.mp4"]


def unshare() -> list[str]:
    """Give the start of a command that may mount what only it sees; skip if not allowed."""
    for options in ("-Urm", "-m"):
        start = [shutil.which("unshare") or "unshare", options, "sh", "-c"]
        try:
            subprocess.run([*start, "mount -t tmpfs none /mnt"], check=True, capture_output=True)  # noqa: S603 -- our own command
        except (OSError, subprocess.CalledProcessError):
            continue
        return start
    pytest.skip("needs the right to mount a tmpfs")


ON_A_SMALL_DISK = """
set -u
mount -t tmpfs -o size=$SIZE none "$DISK"
"$@" 2> "$KEPT/errors"
echo $? > "$KEPT/code"
mkdir "$KEPT/left"
cp -a "$DISK/out/." "$KEPT/left"
mount -o remount,size=64m "$DISK"
"$@" --resume 2> "$KEPT/errors again"
echo $? > "$KEPT/code again"
cp -a "$DISK/out" "$KEPT/out"
"""


@pytest.mark.slow
def test_a_disk_that_is_not_to_be_written_on(movie: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs none "$DISK" && mount -o remount,ro "$DISK" && exec "$@"'
    refused = subprocess.run(  # noqa: S603 -- our own command
        [*unshare(), script, "sh", *command(movie, disk / "out")],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "DISK": str(disk)},
    )
    assert refused.returncode == 2
    assert refused.stderr == (
        f"posestream: output directory {disk}/out: cannot be written to (Read-only file system); "
        "choose another\n"
    )


@pytest.mark.often(1)
@pytest.mark.parametrize("size_kib", [80, 200, 320])
def test_a_full_disk(movie: Path, whole: dict[str, bytes], tmp_path: Path, size_kib: int) -> None:
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    subprocess.run(  # noqa: S603 -- our own command
        [*unshare(), ON_A_SMALL_DISK, "sh", *command(movie, disk / "out")],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SIZE": f"{size_kib}k", "DISK": str(disk), "KEPT": str(kept)},
    )
    errors = (kept / "errors").read_text()
    assert (kept / "code").read_text() == "1\n", errors
    *_, line = errors.splitlines()
    assert "Traceback" not in errors
    assert "cannot be written (No space left on device)" in line
    if (kept / "left" / JOURNAL).exists():
        num_frames = num_frames_in(kept / "left" / JOURNAL)
        assert f"; {num_frames} frames are done and kept; go on with --resume" in line
    assert not {path.name for path in (kept / "left").iterdir()} & OUTPUTS_OF_ONE_MOVIE

    assert (kept / "code again").read_text() == "0\n", (kept / "errors again").read_text()
    assert contents(kept / "out") == whole


WRITES = "write,pwrite64,writev"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "call"),
    [*((part, WRITES) for part in PARTS), (PARTS[2], "fsync")],
)
def test_a_disk_that_fails(
    movie: Path, whole: dict[str, bytes], tmp_path: Path, part: str, call: str
) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace to let calls of the system fail")
    path = tmp_path / part
    fault = ["-e", f"trace={call}", "-e", f"inject={call}:error=EIO", "-P", str(path)]
    process = subprocess.Popen(  # noqa: S603 -- our own command
        [strace, "-f", "-qq", "-o", str(tmp_path / "trace"), *fault, *command(movie, tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = last_line(process)
    assert "(INJECTED)" in (tmp_path / "trace").read_text()
    (tmp_path / "trace").unlink()

    assert process.returncode == 1
    final = path.name.removeprefix(".").replace(".partial", "")
    if "segments" in part:
        final = "dlc_labeled_movie.0.mp4"
    assert line.startswith(
        f"posestream: {tmp_path}/{FOLDER}/{final}: cannot be written (Input/output"
    )
    check_resuming_gives(whole, movie, tmp_path)
