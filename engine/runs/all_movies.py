"""All outputs of a run, from its first movie to its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from engine.builtin import DEMO_MOVIE
from engine.follow.settings import follow_warnings
from engine.inference import ModelExport
from engine.job.alignment import alignment_warning
from engine.job.job import Job
from engine.pipeline.pipeline import Lane
from engine.run_folder.identity import MovieResult, describe_movie, describe_run
from engine.run_folder.workplace import read_finished_run
from engine.runs.job_sinks import RunOutputs
from engine.runs.one_movie import OneMovie, RunContext
from engine.untrusted.quoting import printable
from engine.watch.progress import MovieProgress
from readers import MovieInfo, open_movie
from sinks import FrameCounts, ModelDescription, write_metadata


@dataclass(frozen=True)
class RunResult:
    """The outcome of a run.

    Attributes
    ----------
    outputs
        Paths of all files that were written, sorted.
    movies
        One result per movie, in the order in which they were read; none where a run that was to
        be resumed had ended before.
    warnings
        Warnings for the user, a line each.
    is_damaged
        Whether a movie was cut off or a frame could not be decoded.
    """

    outputs: tuple[Path, ...]
    movies: tuple[MovieResult, ...]
    warnings: tuple[str, ...]
    is_damaged: bool


def run_result(written: Sequence[Path], movies: Sequence[MovieResult]) -> RunResult:
    """Describe a run that has its outputs in place, the metadata last."""
    finished = read_finished_run(written[-1])
    return RunResult(
        tuple(sorted(written)),
        tuple(movies),
        () if finished is None else finished.warnings,
        finished is not None and finished.is_damaged,
    )


def make_outputs(
    run: RunContext, movies: Sequence[MovieInfo], *, has_told: bool = False
) -> list[MovieResult]:
    """Make all outputs in the run's folder, and note there that they are whole.

    Parameters
    ----------
    run
        The run, which holds its folder.
    movies
        In the order in which they are read.
    has_told
        Whether the user has heard of `model_warnings` and of the movies' notes already.

    Raises
    ------
    RunError, OutputError, InputError
        If a movie cannot be read or an output cannot be written.
    Interrupted
        After an interrupt, when what the model had in hand is safe.
    """
    notes = [f"{movie.path}: {note}" for movie in movies for note in movie.notes]
    warnings = [*model_warnings(run.job, run.export, movies), *notes]
    for message in () if has_told else warnings:
        run.progress.warn(message)
    results: list[MovieResult] = []
    with run.sinks.opened(movies[0]) as of_run:
        for number, movie in enumerate(movies):
            with _one_movie(run, number, movie, of_run) as on_its_way:
                on_its_way.pipeline.run()
            result = on_its_way.result
            run.folder.note_whole(*run.sinks.files_of_movie(number, run.folder.outputs))
            if result.follow is not None:
                run.progress.note(f"{movie.path.name}: {result.follow.as_text()}")
            for message in movie_warnings(run.job, result):
                warnings.append(message)
                run.progress.warn(message)
            results.append(result)
    run.folder.check_held()
    _write_metadata(run, results, [printable(message) for message in warnings])
    written = run.sinks.files(len(movies), run.folder.outputs)
    run.folder.note_whole(*written, is_finished=True)
    return results


def _one_movie(run: RunContext, number: int, movie: MovieInfo, of_run: RunOutputs) -> OneMovie:
    reader = open_movie(movie, run.job.crop_rect, run.most_frames)

    def lanes(counts: FrameCounts) -> list[Lane]:
        sinks = run.sinks.of_movie(number, reader, of_run)
        drawn = [sink for output, sink in sinks.items() if output.needs_pictures]
        data = [sink for output, sink in sinks.items() if not output.needs_pictures]
        lanes = [Lane("labelled movie", drawn), Lane("data", [counts, *data])]
        return [lane for lane in lanes if lane.sinks]

    return OneMovie(run, number, reader, lanes, partial(MovieProgress, run.progress, movie))


def model_warnings(job: Job, export: ModelExport, movies: Sequence[MovieInfo]) -> list[str]:
    """List the warnings about the model, a line each; `movies` is empty for a live run."""
    warnings = []
    if job.model is None and {movie.path for movie in movies} != {DEMO_MOVIE}:
        warnings.append(
            "no model was given: the built-in one has learned from generated movies alone "
            "and misleads on recordings"
        )
    if export.depends_on_batch:
        warnings.append(
            f"{export.directory}: this model's predictions depend on which frames share a batch "
            "(its batch normalisation is in training mode); it runs one frame at a time"
        )
    of_crop = (alignment_warning(job, export, movie) for movie in movies)
    return warnings + follow_warnings(job, export) + list(dict.fromkeys(filter(None, of_crop)))


_FATES = {
    "dropped": "were dropped by the recorder; their poses are NaN",
    "undecodable": "could not be decoded; their poses are NaN",
    "skipped": "were skipped while it was recorded; their poses are NaN; fill them in with "
    "posestream run --resume",
}
"""The fates of frames without a pose, by the names of their counts."""


def movie_warnings(job: Job, result: MovieResult) -> list[str]:
    """List the warnings about a movie that is done, a line each."""
    counts, claimed, found = result.counts, result.movie.num_frames_from_header, list[str]()
    if job.follow == "tracker" and result.follow is not None and result.follow.lacks_tracker:
        found.append(
            "no frame that was followed has a box of a tracker; the poses led to the windows"
        )
    if result.damage is not None:
        found.append(result.damage)
    for name, fate in _FATES.items():
        num_lost = getattr(counts, name).num_frames
        if num_lost:
            found.append(f"{num_lost} of {counts.num_frames} frames {fate}")
    if counts.num_frames < job.window_length:
        found.append(
            f"its {counts.num_frames} frames are fewer than the median filter's window of "
            f"{job.window_length}, which takes zeros for those beyond its ends and so draws poses "
            "towards zero; choose a smaller --window-length"
        )
    if claimed is not None and claimed != counts.num_frames:
        found.append(f"its header claims {claimed} frames, {counts.num_frames} are there")
    return [f"{result.movie.path}: {text}" for text in found]


def _write_metadata(run: RunContext, results: list[MovieResult], warnings: list[str]) -> None:
    export, record = run.export, run.folder.record()
    started = datetime.fromisoformat(record.started)
    write_metadata(
        run.folder.outputs.metadata,
        model=ModelDescription(
            task=export.task,
            scorer=export.experimenter,
            date=export.date,
            network=export.network,
            body_parts=export.body_parts,
            snapshot=export.iterations,
        ),
        outputs=run.sinks.descriptions(results),
        provenance={
            **describe_run(run.job, export, run.model.runtime),
            "movies": [describe_movie(result) for result in results],
            "warnings": warnings,
            "is_damaged": any(result.is_damaged for result in results),
            "is_live": record.is_live,
            "identity": record.identity,
            "started": started.isoformat(timespec="seconds"),
            "duration_s": round((datetime.now(UTC) - started).total_seconds(), 3),
        },
    )
