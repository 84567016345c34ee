"""The latency of poses while a camera records, for any length of time.

    python -m benchmarks.live --kind isxb --minutes 30 --model EXPORT_DIR \
        [--stop-after-s 600 --stopped-s 60] --json live.json

A recorder (`benchmarks.recorder`) writes a movie at real rate in a process of its own, posestream
live follows the file in another, and this one subscribes to the poses. What one frame costs at
the least is measured before and after, in further processes. In the end posestream run is given
the finished file, and the pose estimates of both are compared byte for byte. Linux only.
"""

from __future__ import annotations

import argparse
import json
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live_report import LiveReport, quiet_minutes, ratios_to_own_time
from benchmarks.observation import Observation, Stop, cores, memory, stolen_cores
from benchmarks.processes import CommandError, in_a_child, measure
from benchmarks.subscriber import Messages, Subscriber

KINDS = ("isxb", "avi", "mp4", "mkv", "ts")
POSE_ESTIMATES = "dlc_pose_estimates.0.h5"
EXIT_FAILED = 1
_POLL_S = 0.02
_TAKE_S = 0.1
_TAIL_CHARACTERS = 4000
_OWN_TIME_FRAMES = 630


@dataclass(frozen=True)
class Scene:
    """A kind of recording: its format, length, size and frame rate."""

    kind: str
    minutes: float
    width: int
    height: int
    frame_rate: float


@dataclass(frozen=True)
class LiveBenchmark:
    """The settings of the benchmark.

    Attributes
    ----------
    recorder, posestream
        How these commands begin.
    model
        Folder of the export.
    work
        Where the movie and all outputs go.
    """

    recorder: Sequence[str]
    posestream: Sequence[str]
    model: Path
    work: Path

    def follow(self, scene: Scene, stop: Stop | None, warm_up_s: float) -> dict[str, Any]:
        """Record a movie, follow it, run it again, and report.

        Raises
        ------
        CommandError
            If a command fails.
        ValueError
            If nothing was published.
        """
        movie, log = self.work / f"movie.{scene.kind}", self.work / "times.bin"
        with self._recording(scene, movie, log) as recorder:
            messages, observation = self._observe(movie, stop)
            followed_s = time.monotonic()
            recorded, _ = recorder.communicate()
        written_s = np.fromfile(log)
        report = LiveReport(written_s, messages, warm_up_s=warm_up_s, pause=observation.pause)
        finished = self.work / "run"
        measured = measure(self._command("run", movie, finished))
        return {
            "recorder": json.loads(recorded),
            "frames": report.frames(),
            "start": report.start(),
            "latency": report.latencies(),
            "stop": report.stop(),
            "memory": memory(observation.samples, report, float(written_s[-1])),
            "stolen_cores": stolen_cores(observation.samples, report),
            "cores": cores(observation.samples, float(written_s[0]) + warm_up_s, written_s[-1]),
            "finishing_s": followed_s - float(written_s[-1]),
            "run_s": measured.wall_s,
            "same_h5": self._estimates("live") == self._estimates("run"),
            "status": json.loads((self.work / "status.json").read_text()),
        }

    def _estimates(self, output_dir: str) -> bytes:
        return (self.work / output_dir / POSE_ESTIMATES).read_bytes()

    def _command(self, name: str, movie: Path, output_dir: Path) -> list[str]:
        options = ("--output-dir", output_dir, "--model", self.model)
        return [*map(str, (*self.posestream, name, movie, *options))]

    @contextmanager
    def _recording(self, scene: Scene, movie: Path, log: Path) -> Iterator[subprocess.Popen[str]]:
        """Have the recorder run; its file is there within the block."""
        size = ("--width", scene.width, "--height", scene.height)
        rate = ("--frame-rate", scene.frame_rate, "--seconds", 60 * scene.minutes)
        command = [*map(str, (*self.recorder, movie, *size, *rate, "--log", log))]
        with _started(command, self.work / "recorder.txt", stdout=subprocess.PIPE) as recorder:
            while not movie.exists():
                if recorder.poll() is not None:
                    _check(recorder, command, self.work / "recorder.txt")
                time.sleep(_POLL_S)
            yield recorder
            _check(recorder, command, self.work / "recorder.txt")

    def _observe(self, movie: Path, stop: Stop | None) -> tuple[Messages, Observation]:
        """Let posestream follow the movie to its end; give what it published, and how it did."""
        port = _free_port()
        published = ("--publish", f"tcp:{port}", "--status", self.work / "status.json")
        command = [*self._command("live", movie, self.work / "live"), *map(str, published)]
        told = self.work / "live.txt"
        with _started(command, told) as posestream, Subscriber(port) as subscriber:
            observation = Observation(posestream.pid, stop)
            while posestream.poll() is None:
                subscriber.take(_TAKE_S)
                observation.go_on()
            while subscriber.is_connected and not subscriber.is_over:
                subscriber.take(_TAKE_S)
            _check(posestream, command, told)
            return subscriber.messages, observation


@contextmanager
def _started(
    command: Sequence[str], told: Path, stdout: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a command within the block; what it says goes into a file."""
    with ExitStack() as resources:
        file = resources.enter_context(told.open("w"))
        process = resources.enter_context(
            subprocess.Popen(  # noqa: S603 -- our own commands
                command,
                stdin=subprocess.DEVNULL,
                stdout=file if stdout is None else stdout,
                stderr=file,
                text=True,
            )
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _check(process: subprocess.Popen[str], command: Sequence[str], told: Path) -> None:
    if process.wait() != 0:
        raise CommandError(
            f"exit code {process.returncode} of {shlex.join(command)}\n"
            f"{told.read_text()[-_TAIL_CHARACTERS:].strip()}"
        )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _write_reference(path: Path, scene: Scene) -> None:
    """Write a finished movie of the same pictures, to measure what one frame costs."""
    from benchmarks.recorder import encoded_walk, open_recorder

    size = scene.width, scene.height, scene.frame_rate
    with open_recorder(path, *size) as recorder:
        for picture in encoded_walk(path.suffix, *size, _OWN_TIME_FRAMES):
            recorder.write(picture)


def _own_time(model: Path, movie: Path, frame_period_s: float) -> dict[str, Any]:
    from benchmarks.own_time import own_time

    return own_time(model, movie, frame_period_s)


def _describe_machine() -> dict[str, object]:
    from engine.machine.system import describe_machine

    return describe_machine()


def _ratios(result: dict[str, Any]) -> dict[str, Any]:
    """Compare latencies with what one frame costs at the least, one each frame period.

    Of the two times that this was measured the lower median counts: whatever else the machine
    did meanwhile only adds to it.
    """
    own = result["own_time_ms"]
    own_ms = min(own[when]["paced"]["sum"]["p50"] for when in ("before", "after"))
    return {
        name: ratios_to_own_time(latency["all_ms"], own_ms)
        for name, latency in result["latency"].items()
    }


def table(result: dict[str, Any]) -> str:
    """Lay out for reading."""
    lines = []
    for when, own in result["own_time_ms"].items():
        for pace, parts in own.items():
            sums = ", ".join(f"{name} {value:.2f}" for name, value in parts["sum"].items())
            lines.append(f"one frame at the least, {when}, {pace}: {sums} ms")
    for name, latency in result["latency"].items():
        for part in ("all_ms", "first_minute_ms", "last_minute_ms"):
            if latency[part]:
                values = ", ".join(f"{key} {value:.2f}" for key, value in latency[part].items())
                lines.append(f"{name}, {part.removesuffix('_ms').replace('_', ' ')}: {values} ms")
        ratios = result["ratio_to_own_time"][name]
        if ratios:
            lines.append(f"  p50 {ratios['p50']:.2f} ×, p99 {ratios['p99']:.2f} × one frame's cost")
        if latency["drift_of_p99"]:
            lines.append(f"  p99 of the last minute {latency['drift_of_p99']:.3f} × the first's")
        quiet = quiet_minutes(latency["minutes_ms"], result["stolen_cores"])
        if quiet:
            values = ", ".join(f"{key} {value:.2f}" for key, value in quiet.items())
            lines.append(f"  of the minutes without other machines of the host: {values}")
    counted = ("frames", "start", "stop", "memory", "cores", "finishing_s", "same_h5")
    return "\n".join([*lines, *(f"{name}: {result[name]}" for name in counted)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return its exit code: 0, or 1 if it fails."""
    options = _parser().parse_args(arguments)
    scene = Scene(options.kind, options.minutes, options.width, options.height, options.frame_rate)
    stop = None
    if options.stop_after_s is not None:
        stop = Stop(options.stop_after_s, options.stopped_s)
    with ExitStack() as resources:
        work = options.work or Path(resources.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        benchmark = LiveBenchmark(
            recorder=[sys.executable, "-m", "benchmarks.recorder"],
            posestream=[str(Path(sys.executable).with_name("posestream"))],
            model=options.model.absolute(),
            work=work.absolute(),
        )
        try:
            result = run_benchmark(benchmark, scene, stop, options.warm_up_s)
        except (CommandError, ValueError) as error:
            print(f"live benchmark: {error}")  # noqa: T201 -- for the user
            return EXIT_FAILED
    print(table(result))  # noqa: T201 -- for the user
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def run_benchmark(
    benchmark: LiveBenchmark, scene: Scene, stop: Stop | None, warm_up_s: float
) -> dict[str, Any]:
    """Measure what one frame costs, follow a recording, and measure again.

    Raises
    ------
    CommandError
        If a command fails.
    ValueError
        If nothing was published.
    """
    # Finished .mkv and .ts hold the same H.264 as .mp4.
    suffix = scene.kind if scene.kind in ("isxb", "avi") else "mp4"
    reference = benchmark.work / f"reference.{suffix}"
    in_a_child(_write_reference, reference, scene)
    own = (benchmark.model, reference, 1 / scene.frame_rate)
    before = in_a_child(_own_time, *own)
    followed = benchmark.follow(scene, stop, warm_up_s)
    result = {
        "machine": in_a_child(_describe_machine),
        "date": datetime.now(UTC).date().isoformat(),
        "kind": scene.kind,
        "width": scene.width,
        "height": scene.height,
        "frame_rate": scene.frame_rate,
        "warm_up_s": warm_up_s,
        "own_time_ms": {"before": before, "after": in_a_child(_own_time, *own)},
        **followed,
    }
    return result | {"ratio_to_own_time": _ratios(result)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.live",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kind", choices=KINDS, default="isxb")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--frame-rate", type=float, default=30)
    parser.add_argument("--model", type=Path, required=True, help="folder of a DeepLabCut export")
    parser.add_argument("--stop-after-s", type=float, help="stop posestream so late; never")
    parser.add_argument("--stopped-s", type=float, default=60, help="for so long")
    parser.add_argument(
        "--warm-up-s", type=float, default=30, help="seconds left out of the latencies at the start"
    )
    parser.add_argument("--work", type=Path, help="a new directory for movie and outputs, kept")
    parser.add_argument("--json", type=Path, required=True, help="file for the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
