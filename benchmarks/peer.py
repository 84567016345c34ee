"""The comparison with DeepLabCut: same movie, same network, all outputs, taking turns.

    python -m benchmarks.peer --peer DEEPLABCUT_VENV --json peer.json

runs DeepLabCut's whole job (analyze, filter, label, plot) and posestream's one after the other,
again and again, so that whatever else the machine does strikes both; ratios are taken within a
pair. A pair counts only if both sides wrote all outputs and found the same poses.

Only the standard library is imported here, and all else in child processes: on Linux the peak
memory of a process begins with that of the process that started it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.processes import CommandError, Measured, in_a_child, measure, taking_turns
from benchmarks.ratios import ratios, table
from benchmarks.same_job import SIDES, DifferentResultsError, check_outputs, difference_px

SHARED = Path(__file__).absolute().parents[2] / "shared"
"""Movies, exports, and the scripts that run DeepLabCut; not part of this project."""

POSESTREAM = Path(sys.executable).with_name("posestream")
"""The command, in the environment of this interpreter."""

EXIT_FAILED = 1
EXIT_NOT_THERE = 2
_TELL_VERSIONS = """
import json, platform
from importlib.metadata import PackageNotFoundError, version
found = {"python": platform.python_version(), "deeplabcut": version("deeplabcut")}
for package in ("numpy", "tensorflow", "tensorflow-cpu"):
    try:
        found[package] = version(package)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class NotThereError(Exception):
    """Something that the benchmark needs is not on this machine."""


@dataclass(frozen=True)
class Network:
    """One network in two forms: DeepLabCut's project and the export of it."""

    project: Path
    export: Path


@dataclass(frozen=True)
class Scenario:
    """A movie, looped or cut to `num_frames`, and a network; None where that must be made first."""

    movie: Path
    num_frames: int
    network: Network | None


def scenarios(shared: Path) -> dict[str, Scenario]:
    """Name the scenarios."""
    trained = Network(shared / "peer/openfield-project", shared / "models/openfield-mobilenet")
    camera = "2023-01-27-10-34-22-camera-1_trimmed_1s.isxb"
    return {
        "openfield": Scenario(shared / "data/openfield/m3v1mp4_trimmed_1s.mp4", 2330, trained),
        "resnet50": Scenario(shared / "data/inscopix" / camera, 48, None),
    }


@dataclass(frozen=True)
class Benchmark:
    """The places of all that is needed, and the number of runs.

    Attributes
    ----------
    shared
        The folder that `SHARED` is on this machine.
    peer_python
        The interpreter of DeepLabCut's environment.
    posestream
        The command.
    work
        A directory for movies, networks and outputs.
    repeats
        Number of pairs.
    """

    shared: Path
    peer_python: Path
    posestream: Path
    work: Path
    repeats: int

    def peer_versions(self) -> dict[str, str]:
        """Tell the versions of what decides DeepLabCut's speed.

        Raises
        ------
        NotThereError
            If there is no DeepLabCut.
        """
        try:
            return dict(json.loads(_output([str(self.peer_python), "-c", _TELL_VERSIONS])))
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotThereError(
                f"{self.peer_python} does not run DeepLabCut; peer/setup.sh makes an environment "
                f"with it in {self.shared}"
            ) from error

    def compare(self, name: str, scenario: Scenario) -> dict[str, object]:
        """Measure both sides of a scenario; return plain JSON values.

        Raises
        ------
        CommandError
            If one side fails.
        DifferentResultsError
            If they did not do the same job.
        """
        _say(f"{name}: making the movie")
        source = self._readable(scenario.movie)
        movie = self.work / f"{name}-{scenario.num_frames}{source.suffix}"
        width, height = in_a_child(_loop, source, movie, scenario.num_frames)
        network = scenario.network or self._random_resnet50(source)

        def command(side: str, destination: Path) -> Sequence[str]:
            if side == "posestream":
                arguments = ("--model", network.export, "--output-dir", destination)
                return [*map(str, (self.posestream, "run", movie, *arguments))]
            script = self.shared / "peer/run_deeplabcut.py"
            return [*map(str, (self.peer_python, script, network.project, movie, destination))]

        measured, apart_px = run_pairs(name, command, self.work, self.repeats)
        return {
            "num_frames": scenario.num_frames,
            "width": width,
            "height": height,
            **{side: [asdict(one) for one in measured[side]] for side in SIDES},
            "wall_ratio": ratios(measured, "wall_s"),
            "memory_ratio": ratios(measured, "peak_mib"),
            "largest_difference_px": apart_px,
        }

    def _readable(self, movie: Path) -> Path:
        """Give a movie that DeepLabCut reads: it needs an .isxb transcoded."""
        if movie.suffix != ".isxb":
            return movie
        transcoded = self.work / f"{movie.stem}.mp4"
        if not transcoded.exists():
            in_a_child(_transcode, movie, transcoded)
        return transcoded

    def _random_resnet50(self, movie: Path) -> Network:
        folder = self.work / "resnet50"
        if not folder.is_dir():
            _say("resnet50: making the network")
            partial = self.work / "resnet50.partial"
            script = self.shared / "peer/make_resnet50.py"
            measure([*map(str, (self.peer_python, script, movie, partial))])
            partial.rename(folder)
        return Network(folder / "project", folder / "export")


def run_pairs(
    name: str, command: Callable[[str, Path], Sequence[str]], work: Path, repeats: int
) -> tuple[dict[str, list[Measured]], float]:
    """Let both sides take turns, each time into a new directory that is deleted afterwards.

    Parameters
    ----------
    name
        What to call the scenario.
    command
        Gives the command of ``"deeplabcut"`` or ``"posestream"`` that writes into a directory,
        which does not exist.
    work
        Where outputs and temporary files may go meanwhile.
    repeats
        Number of pairs.

    Returns
    -------
    tuple
        Measurements of each side, and the largest difference of their poses in pixels.

    Raises
    ------
    CommandError
        If one side fails.
    DifferentResultsError
        If a side left out an output, or the two found other poses.
    """
    largest_px = 0.0
    with tempfile.TemporaryDirectory(dir=work) as directory:
        outputs = {side: Path(directory, side) for side in SIDES}
        temporary = Path(directory, "temporary")
        temporary.mkdir()

        def check(side: str, measured: Measured) -> None:
            nonlocal largest_px
            _say(f"{name}: {SIDES[side]} took {measured.wall_s:.1f} s")
            check_outputs(side, outputs[side])
            if side == [*SIDES][-1]:
                largest_px = max(largest_px, difference_px(outputs))
                for left in (*outputs.values(), temporary):
                    shutil.rmtree(left)
                temporary.mkdir()

        # DeepLabCut's script leaves a copy of the project where temporary files go.
        commands = {
            side: ["env", f"TMPDIR={temporary}", *command(side, outputs[side])] for side in SIDES
        }
        return taking_turns(commands, repeats, check), largest_px


def _transcode(source: Path, destination: Path) -> None:
    import numpy as np

    from benchmarks.synthetic import write_mp4
    from readers import inspect_movie, open_movie

    movie = inspect_movie(source)
    with open_movie(movie) as reader:
        shape = (movie.num_frames_from_header or 1, *reader.image_shape)
        batch = reader.read(np.empty(shape, np.uint8))
    if batch is not None:
        write_mp4(destination, batch.images, movie.frame_rate)


def _loop(source: Path, destination: Path, num_frames: int) -> tuple[int, int]:
    """Write the looped movie and return its width and height."""
    from benchmarks.looped_movie import write_looped_movie
    from readers import inspect_movie

    write_looped_movie(source, destination, num_frames)
    movie = inspect_movie(destination)
    return movie.width, movie.height


def _describe_machine() -> dict[str, object]:
    from engine.machine.system import describe_machine

    return describe_machine()


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 -- the user's own interpreter
    return done.stdout


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 -- progress and results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return its exit code: 0, 1 if it fails, 2 if something is not there."""
    options = _parser().parse_args(arguments)
    try:
        with _work_directory(options.work) as work:
            _benchmark(options, work)
    except NotThereError as error:
        _say(f"peer benchmark: {error}")
        return EXIT_NOT_THERE
    except (CommandError, DifferentResultsError) as error:
        _say(f"peer benchmark: {error}")
        return EXIT_FAILED
    return 0


def _benchmark(options: argparse.Namespace, work: Path) -> None:
    benchmark = Benchmark(
        shared=SHARED,
        peer_python=options.peer.absolute() / "bin/python",
        posestream=POSESTREAM,
        work=work,
        repeats=options.repeats,
    )
    chosen = _chosen(options)
    _check_there(benchmark, chosen.values())
    results: dict[str, object] = {}
    report = {
        "machine": in_a_child(_describe_machine),
        "peer": benchmark.peer_versions(),
        "date": datetime.now(UTC).date().isoformat(),
        "scenarios": results,
    }
    for name, scenario in chosen.items():
        result = benchmark.compare(name, scenario)
        results[name] = result
        _say(table(name, result))
        if options.json:
            options.json.write_text(json.dumps(report, indent=2) + "\n")


def _chosen(options: argparse.Namespace) -> dict[str, Scenario]:
    known = scenarios(SHARED)
    chosen = {name: known[name] for name in options.scenario or known}
    if options.frames is not None:
        chosen = {
            name: replace(scenario, num_frames=options.frames) for name, scenario in chosen.items()
        }
    return chosen


def _check_there(benchmark: Benchmark, chosen: Iterable[Scenario]) -> None:
    needed = [benchmark.peer_python, benchmark.posestream, benchmark.shared / "peer"]
    for scenario in chosen:
        needed.append(scenario.movie)
        if scenario.network:
            needed += [scenario.network.project, scenario.network.export]
    missing = [path for path in needed if not path.exists()]
    if missing:
        raise NotThereError(f"{missing[0]} is needed and is not there")


@contextmanager
def _work_directory(path: Path | None) -> Iterator[Path]:
    if path is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
    else:
        path.mkdir(parents=True, exist_ok=True)
        yield path.absolute()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(scenarios(SHARED))
    parser.add_argument(
        "scenario", nargs="*", type=_scenario_name, help=f"which of {names}; all by default"
    )
    parser.add_argument("--peer", type=Path, required=True, help="environment with DeepLabCut")
    parser.add_argument("--work", type=Path, help="where movies and networks are made and kept")
    parser.add_argument("--repeats", type=_positive, default=3, help="number of pairs")
    parser.add_argument("--frames", type=_positive, help="frames of the movies")
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser


def _scenario_name(text: str) -> str:
    known = scenarios(SHARED)
    if text not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known)}")
    return text


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a number of at least 1, got {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
