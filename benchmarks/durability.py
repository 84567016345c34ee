"""The cost of runs that can be continued: runs with and without that, taking turns on one movie.

python -m benchmarks.durability MOVIE [--model EXPORT_DIR] [--pairs N]

Without means: no journal, and one segment for the whole labelled movie.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from benchmarks.processes import Measured, measure

SIDES = ("without", "with")


def compare(movie: Path, model: Path | None, num_pairs: int) -> dict[str, list[Measured]]:
    """Run the movie in turns, each run in a process of its own."""
    measured: dict[str, list[Measured]] = {side: [] for side in SIDES}
    for pair in range(num_pairs):
        for side in SIDES if pair % 2 else reversed(SIDES):
            with tempfile.TemporaryDirectory() as directory:
                paths = [str(movie.absolute()), directory, *([] if model is None else [str(model)])]
                command = [sys.executable, "-m", "benchmarks.durability", f"--{side}", *paths]
                measured[side].append(measure(command))
    return measured


def table(measured: dict[str, list[Measured]]) -> str:
    """Lay medians out for reading, and the cost by pairs."""
    lines = [f"{'':10}{'wall s':>10}{'core s':>10}"]
    for side in SIDES:
        medians = [
            statistics.median(getattr(run, quantity) for run in measured[side])
            for quantity in ("wall_s", "core_s")
        ]
        lines.append("".join([f"{side:10}", *(f"{median:10.2f}" for median in medians)]))
    pairs = zip(measured["without"], measured["with"], strict=True)
    costs = sorted(100 * (after.core_s / before.core_s - 1) for before, after in pairs)
    lines.append(
        f"cost in core seconds: {statistics.median(costs):+.1f} % "
        f"({costs[0]:+.1f} to {costs[-1]:+.1f} in {len(costs)} pairs)"
    )
    return "\n".join(lines)


def _run_one(side: str, movie: Path, output_dir: Path, model: Path | None) -> None:
    from engine import Job, run

    with ExitStack() as without:
        if side == "without":
            push = mock.patch("engine.run_folder.journal.Journal.push", lambda _, batch: [batch])
            without.enter_context(push)
            length = mock.patch("sinks.labelled_movie.segments.SEGMENT_LENGTH", sys.maxsize)
            without.enter_context(length)
        run(Job([movie], output_dir / "outputs", model))


def _main() -> None:
    if sys.argv[1].removeprefix("--") in SIDES:
        side, movie, output_dir, *model = sys.argv[1:]
        model_dir = Path(model[0]) if model else None
        _run_one(side.removeprefix("--"), Path(movie), Path(output_dir), model_dir)
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movie", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    print(table(compare(options.movie, options.model, options.pairs)))  # noqa: T201 -- for the user


if __name__ == "__main__":
    _main()
