"""What a run made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.run_folder.earlier import read_finished_run
from engine.run_folder.identity import MovieResult
from engine.run_folder.output_names import OutputDirectory
from engine.runs.all_movies import Production


@dataclass(frozen=True)
class RunResult:
    """What a run made.

    Attributes
    ----------
    outputs
        Paths of all files that were written, sorted.
    movies
        One result per movie, in the order in which they were read; none where a run that was to
        be resumed had ended before.
    warnings
        What the user should know, a line each.
    is_damaged
        Whether a movie was cut off or a frame could not be decoded.
    """

    outputs: tuple[Path, ...]
    movies: tuple[MovieResult, ...]
    warnings: tuple[str, ...]
    is_damaged: bool


def run_result(production: Production, outputs: OutputDirectory) -> RunResult:
    """Gather what a run made, which now has its outputs in place."""
    finished = read_finished_run(outputs.metadata)
    return RunResult(
        tuple(sorted(production.written(outputs))),
        tuple(production.results),
        () if finished is None else finished.warnings,
        finished is not None and finished.is_damaged,
    )
