"""A run of recorded movies, from the job to all outputs in place, and one movie's way through it.

That way is the same for a movie that is still being recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.builtin import MODEL_DIR
from engine.follow.settings import (
    Calibration,
    FollowSettings,
    calibrate,
    calibrated,
    follow_settings,
    load_for,
    read_calibration,
    write_calibration,
)
from engine.follow.stage import make_prediction
from engine.follow.tally import FollowTally
from engine.inference import ModelExport, PoseModel, read_export, usual_batch_size
from engine.job.job import Job
from engine.job.overlay_style import overlay_style
from engine.machine.system import naming_lack_of_memory
from engine.machine.workers import undisturbed
from engine.pipeline.batch_size import probe_batch_size
from engine.pipeline.median import MedianFilter
from engine.pipeline.pipeline import FrameSource, Lane, Live, Pipeline, PoseStage
from engine.run_folder.identity import MovieResult, describe_movie, describe_run, identify
from engine.run_folder.journal import Journal, JournalContent, read_journal
from engine.run_folder.replay import MovieSource, ReplayedReader, join_times
from engine.run_folder.unfinished import UnfinishedRun
from engine.run_folder.workplace import Workplace, read_finished_run
from engine.runs.job_sinks import JobSinks, output_directory
from engine.runs.warnings import model_warnings, movie_warnings, space_warning
from engine.untrusted.quoting import printable
from engine.watch.progress import MovieProgress, MovieWatch, Progress
from readers import MovieInfo, MovieReader, inspect_movies, open_movie
from sinks import FrameCounts, describe_model, write_metadata

if TYPE_CHECKING:  # a run of recorded movies does without
    from readers.live import LiveMovie


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


@dataclass(frozen=True)
class RunContext:
    """The context of a run, the same for all its movies.

    Where `follow` is None, frames are looked at whole. Every movie is taken to end after
    `most_frames`, if that is given. A run that `fills` looks at what a live run has skipped.
    """

    job: Job
    export: ModelExport
    model: PoseModel
    sinks: JobSinks
    folder: UnfinishedRun
    progress: Progress
    follow: FollowSettings | None
    most_frames: int | None = None
    fills: bool = False

    def new_journal(self, image_shape: tuple[int, int, int], *, is_live: bool) -> JournalContent:
        """Describe the journal of a movie that is yet to be begun."""
        job = self.job
        if isinstance(job.batch_size, int):
            batch_size = job.batch_size
        elif self.follow is not None and not is_live:
            batch_size = self.follow.batch_size
        elif job.batch_size is None or self.export.depends_on_batch or is_live:
            batch_size = usual_batch_size(image_shape)
        else:
            batch_size = probe_batch_size(self.model, image_shape)
        has_looks = self.follow is not None
        return JournalContent(len(self.model.body_parts), batch_size, has_looks, is_live)

    def calibration(self, number: int, movie: MovieInfo) -> Calibration | None:
        """Measure what following needs, once, or read what was measured before."""
        follow = self.follow
        if follow is None or not follow.is_calibrated:
            return None

        def measured() -> Calibration:
            with open_movie(movie, self.job.crop_rect) as reader:
                return calibrate(reader, self.model, follow)

        path = self.folder.calibration(number)
        found = read_calibration(path)
        if found is None:
            found = undisturbed(measured)
            self.folder.check_held()
            write_calibration(path, found)
        return found

    def opened(
        self, number: int, reader: MovieSource, content: JournalContent, resources: ExitStack
    ) -> tuple[FrameSource, Journal]:
        """Open a movie behind what its journal has, if there is more, and the journal."""
        frames: FrameSource = reader
        if content.num_bytes:
            drawn = self.sinks.num_drawn_frames
            frames = resources.enter_context(
                ReplayedReader(self.folder, number, content, reader, drawn, fills=self.fills)
            )
        elif isinstance(reader, MovieReader):
            resources.enter_context(reader)
        self.folder.check_held()
        journal = Journal(
            self.folder.journal(number),
            content,
            durable_every_s=self.job.durable_every_s,
            durable_every_frames=self.job.durable_every_frames,
            damage=lambda: reader.damage,
        )
        return frames, resources.enter_context(journal)

    def write_metadata(self, results: Sequence[MovieResult], warnings: Sequence[str]) -> None:
        """Write the metadata, which tell that all other outputs are there."""
        export, record = self.export, self.folder.record()
        started = datetime.fromisoformat(record.started)
        write_metadata(
            self.folder.outputs.metadata,
            model=describe_model(
                task=export.task,
                scorer=export.experimenter,
                date=export.date,
                network=export.network,
                body_parts=export.body_parts,
                snapshot=export.iterations,
            ),
            outputs=self.sinks.descriptions(results),
            provenance={
                **describe_run(self.job, export, self.model.runtime),
                "movies": [describe_movie(result) for result in results],
                "warnings": warnings,
                "is_damaged": any(result.is_damaged for result in results),
                "is_live": record.is_live,
                "identity": record.identity,
                "started": started.isoformat(timespec="seconds"),
                "duration_s": round((datetime.now(UTC) - started).total_seconds(), 3),
            },
        )


def run_movie(
    run: RunContext,
    number: int,
    reader: MovieSource,
    lanes: Callable[[FrameCounts], list[Lane]],
    watch: Callable[[int], MovieWatch],
    first_stages: Sequence[PoseStage] = (),
    *,
    reads_on_demand: bool = False,
) -> MovieResult:
    """Take a movie from where a stopped run left it, or from its start, to its sinks.

    Parameters
    ----------
    run, number
        The run, and the movie's number within it, from 0.
    reader
        A recorded movie, not open yet, or a live one, open.
    lanes
        Makes the sinks, grouped by thread, given the one that counts frames.
    watch
        Makes what shows how far the movie is, given the number of frames that were done before.
    first_stages
        Stages before the journal.
    reads_on_demand
        See `Live`.
    """
    live = None if isinstance(reader, MovieReader) else reader
    content = read_journal(run.folder.journal(number))
    content = content or run.new_journal(reader.image_shape, is_live=live is not None)
    with ExitStack() as resources:
        frames, journal = run.opened(number, reader, content, resources)
        calibration = run.calibration(number, reader.info) if live is None else None
        follow = calibrated(run.follow, calibration)
        counts, tally = FrameCounts(), FollowTally(follow, calibration)
        length = content.batch_size if live is None else 1  # up to date, a batch has one frame
        prediction = make_prediction(run.model, follow, length if live is None else 0)
        median = MedianFilter(max(1, run.job.window_length))
        num_held = prediction.num_held_batches(length, reader.image_shape)
        shown = resources.enter_context(watch(content.num_frames))
        run.folder.check_held()
        Pipeline(
            reader=frames,
            predict=prediction,
            stages=[*first_stages, journal, tally, median],
            lanes=lanes(counts),
            batch_size=content.batch_size,
            num_held_batches=num_held + median.num_held_batches(length),
            on_progress=shown.advance,
            on_stop=shown.tell_of_stop,
            cancel_work=partial(cancel, run.model, live),
            live=None if live is None else Live(live.receive, live.stop, reads_on_demand),
        ).run()
    damage = content.damage if content.is_ended else reader.damage
    return MovieResult(reader.info, counts, damage, None if run.follow is None else tally)


def cancel(model: PoseModel, live: LiveMovie | None) -> None:
    """Cut short what is running."""
    if live is not None:
        live.cancel()
    model.close()


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
        place, follow, sinks = prepare(job, movies)
        areas = movies if job.crop_rect is None else [job.crop_rect]
        shapes = dict.fromkeys((area.height, area.width, 3) for area in areas)
        load = load or partial(load_for, job, image_shapes=[*shapes])
        model = resources.enter_context(closing(load(sinks.export, job.runtime)))
        progress, fills = progress or Progress(), place.was_live
        context = RunContext(
            job, sinks.export, model, sinks, place.folder, progress, follow, most_frames, fills
        )
        made_with = sinks.export, model.runtime, movies, most_frames
        identity = undisturbed(identify, job, *made_with, is_live=fills)
        place.check_same(identity, movies)
        written = sinks.files(len(movies), place.outputs)
        results: list[MovieResult] = []
        if place.finished is not None:
            place.confirm(written)
            return run_result(written, results)
        warning = space_warning(job, movies, len(sinks.export.body_parts))
        if warning is not None and place.unfinished is None:
            progress.warn(warning)  # not one of the results' own: it depends on the disk
        with place.working(movies):
            if not place.begin(identity, written).is_finished:
                if place.unfinished is not None and place.unfinished.is_finished:
                    progress.note("outputs were removed or changed by others: making them again")
                results = make_outputs(context, movies)
            place.move_outputs(written)
            place.folder.remove()
    return run_result(written, results)


def prepare(
    job: Job, movies: Sequence[MovieInfo]
) -> tuple[Workplace, FollowSettings | None, JobSinks]:
    """Check all that can be checked without the model, leaving nothing behind."""
    if job.crop_rect is not None:
        for movie in movies:
            job.crop_rect.check_inside(movie)
    export = read_export(job.model or MODEL_DIR)
    follow = follow_settings(job, export)
    style = overlay_style(job, export.body_parts)
    place = Workplace(job, output_directory(job.output_dir))
    place.check(movies)
    folder = place.folder
    return place, follow, JobSinks(job, export, style, folder.outputs, folder.note_whole)


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
    run: RunContext, movies: Sequence[MovieInfo], *, was_live: bool = False
) -> list[MovieResult]:
    """Make all outputs in the run's folder, and note there that they are whole.

    First, journals of a live run become those of recorded movies.

    Parameters
    ----------
    run
        The run, which holds its folder.
    movies
        In the order in which they are read.
    was_live
        Whether they were recorded a moment ago: the user has heard of `model_warnings` and notes.

    Raises
    ------
    RunError, OutputError, InputError
        If a movie cannot be read or an output cannot be written.
    Interrupted
        After an interrupt, when what the model had in hand is safe.
    """
    for number, movie in enumerate(movies if was_live or run.fills else ()):
        undisturbed(join_times, run.folder, number, movie)
    notes = [f"{movie.path}: {note}" for movie in movies for note in movie.notes]
    warnings = [*model_warnings(run.job, run.export, movies), *notes]
    for message in () if was_live else warnings:
        run.progress.warn(message)
    results: list[MovieResult] = []
    with run.sinks.opened(movies[0]) as of_run:
        for number, movie in enumerate(movies):
            reader = open_movie(movie, run.job.crop_rect, run.most_frames)
            lanes = partial(run.sinks.lanes, number, reader, of_run)
            watch = partial(MovieProgress, run.progress, movie)
            result = run_movie(run, number, reader, lanes, watch)
            run.folder.note_whole(*run.sinks.files_of_movie(number, run.folder.outputs))
            if result.follow is not None:
                run.progress.note(f"{movie.path.name}: {result.follow.as_text()}")
            for message in movie_warnings(run.job, result):
                warnings.append(message)
                run.progress.warn(message)
            results.append(result)
    run.folder.check_held()
    run.write_metadata(results, [printable(message) for message in warnings])
    written = run.sinks.files(len(movies), run.folder.outputs)
    run.folder.note_whole(*written, is_finished=True)
    return results
