"""A run of recorded movies: a job becomes readers, a model, stages and sinks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial

from engine.builtin import MODEL_DIR
from engine.follow.settings import follow_settings, load_for
from engine.inference import ModelExport, PoseModel, read_export
from engine.job.job import Job
from engine.job.overlay_style import overlay_style
from engine.machine.memory import naming_lack_of_memory
from engine.machine.threads import undisturbed
from engine.run_folder.identity import MovieResult, identify
from engine.run_folder.replay import join_times
from engine.run_folder.workplace import Workplace
from engine.runs.all_movies import RunResult, make_outputs, run_result
from engine.runs.job_sinks import JobSinks, output_directory
from engine.runs.one_movie import RunContext
from engine.watch.progress import Progress
from readers import MovieInfo, inspect_movies

_MOVIE_BYTES_PER_PIXEL = 0.005
"""Of a labelled movie, as measured on a noisy recording; clean ones take half as much."""
_NUMBER_BYTES = {"parquet": 8, "csv": 20}
_NUM_TIME_COLUMNS = 5


def run(
    job: Job,
    progress: Progress | None = None,
    *,
    load: Callable[[ModelExport, str], PoseModel] | None = None,
    most_frames: int | None = None,
) -> RunResult:
    """Run a job: every movie is decoded once, and all outputs are written as its frames come.

    Everything that can be checked is checked before the output directory is touched. Until all
    outputs are whole, they and the poses so far are in a folder of the output directory, with
    which a run that was stopped can be resumed.

    Parameters
    ----------
    job
        What to do.
    progress
        Is told how far the run is; None for silence.
    load
        Loads an export on a runtime; None for the usual way.
    most_frames
        Every movie is taken to end after as many frames.

    Raises
    ------
    InputError
        If a movie, the model, the output directory or a parameter cannot be used.
    RunError
        If a movie cannot be read or an output cannot be written any more once the work has begun,
        the model gives poses that cannot be, or the system gives no more memory.
    Interrupted
        After an interrupt, when what the model had in hand is safe.
    """
    with naming_lack_of_memory(), ExitStack() as resources:
        movies = undisturbed(inspect_movies, job.movies)
        place, context = _prepare(job, movies, progress or Progress(), load, resources)
        context = replace(context, most_frames=most_frames)
        made_with = context.export, context.model.runtime, movies, most_frames
        identity = undisturbed(identify, job, *made_with, is_live=context.fills)
        place.check_same(identity, movies)
        written = context.sinks.files(len(movies), place.outputs)
        results: list[MovieResult] = []
        if place.finished is not None:
            place.confirm(written)
            return run_result(written, results)
        if place.unfinished is None:
            warning = space_warning(job, movies, len(context.export.body_parts))
            if warning is not None:  # not one of the results' own: it depends on the disk
                context.progress.warn(warning)
        with place.working(movies):
            record = place.begin(identity, written)
            if not record.is_finished:
                _join_times(context, place, movies)
                results = make_outputs(context, movies)
            place.move_outputs(written)
            place.folder.remove()
    return run_result(written, results)


def _prepare(
    job: Job,
    movies: Sequence[MovieInfo],
    progress: Progress,
    load: Callable[[ModelExport, str], PoseModel] | None,
    resources: ExitStack,
) -> tuple[Workplace, RunContext]:
    """Check all that can be checked, and load the model."""
    if job.crop_rect is not None:
        for movie in movies:
            job.crop_rect.check_inside(movie)
    export = read_export(job.model or MODEL_DIR)
    follow = follow_settings(job, export)
    style = overlay_style(job, export.body_parts)
    place = Workplace(job, output_directory(job.output_dir))
    place.check(movies)
    parts = movies if job.crop_rect is None else [job.crop_rect]
    image_shapes = dict.fromkeys((part.height, part.width, 3) for part in parts)
    load = load or partial(load_for, job, image_shapes=[*image_shapes])
    folder, model = place.folder, load(export, job.runtime)
    resources.enter_context(closing(model))
    return place, RunContext(
        job=job,
        export=export,
        model=model,
        sinks=JobSinks(job, export, style, folder.outputs, folder.note_whole),
        folder=folder,
        progress=progress,
        follow=follow,
        fills=place.was_live,
    )


def _join_times(run: RunContext, place: Workplace, movies: Sequence[MovieInfo]) -> None:
    """Make an earlier run's journals those of recorded movies, or say that all was done before."""
    earlier = place.unfinished
    if earlier is not None and earlier.is_finished:
        run.progress.note("outputs were removed or changed by others: making them again")
    for number, movie in enumerate(movies if run.fills else ()):
        undisturbed(join_times, place.folder, number, movie)


def space_warning(job: Job, movies: Sequence[MovieInfo], num_body_parts: int) -> str | None:
    """Give a warning if the disk may run full, None if there is room or no way to tell."""
    needed = bytes_needed(job, movies, num_body_parts)
    nearest = next(path for path in (job.output_dir, *job.output_dir.parents) if path.exists())
    try:
        free = shutil.disk_usage(nearest).free
    except OSError:
        return None
    if needed <= free:
        return None
    return (
        f"output directory {job.output_dir}: the run may need {needed / 2**30:.1f} GiB, "
        f"{free / 2**30:.1f} GiB are free; if the disk runs full, make room and resume the run"
    )


def bytes_needed(job: Job, movies: Sequence[MovieInfo], num_body_parts: int) -> int:
    """Estimate the most that journals, tables and labelled movies, there twice, take on the disk.

    Movies that tell no length count nothing.
    """
    num_numbers = 3 * num_body_parts + _NUM_TIME_COLUMNS
    table_bytes = num_numbers * (2 * 8 + _NUMBER_BYTES[job.experiment_annotations_format])
    needed = 0
    for movie in movies:
        part = job.crop_rect or movie
        frame_bytes = table_bytes + 2 * _MOVIE_BYTES_PER_PIXEL * part.width * part.height
        needed += int((movie.num_frames_from_header or 0) * frame_bytes)
    return needed
