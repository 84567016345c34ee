"""A live run: from a recording that goes on to all outputs of a run."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from engine.errors import RunError
from engine.follow.settings import load_for
from engine.inference import ModelExport, PoseModel
from engine.job.job import Job, LiveOptions
from engine.machine.system import naming_lack_of_memory
from engine.machine.workers import undisturbed
from engine.pipeline.pipeline import Lane
from engine.pipeline.prediction import KnownFrames
from engine.run_folder.identity import first_picture, identify, picture_digest
from engine.run_folder.journal import read_journal
from engine.run_folder.output_names import check_replaceable
from engine.run_folder.unfinished import UnfinishedRun
from engine.run_folder.workplace import Workplace
from engine.runs.job_sinks import LABELLED_MOVIE
from engine.runs.run import RunContext, RunResult, make_outputs, prepare, run_movie, run_result
from engine.runs.warnings import alignment_warning, model_warnings
from engine.watch.audience import Audience
from engine.watch.progress import MovieWatch, Progress
from engine.watch.status import MADE_BY
from readers import FrameStatus, InputError, MovieError, MovieInfo, inspect_movie
from readers.growing.growing_file import EndedBy
from readers.live import LiveMovie, LiveSource, open_live
from sinks import AnnotationParts, FrameCounts, PoseBatch
from sinks.base import at_success


def live(
    job: Job,
    source: str | Path,
    progress: Progress | None = None,
    *,
    load: Callable[[ModelExport, str], PoseModel] | None = None,
    **options: Any,
) -> RunResult:
    """Run a job while a camera records: poses are published as its frames come.

    The recording has ended when the recorder has closed it, when nothing has come for a while, or
    at the first interrupt. Then all outputs are made, those of a run of what was recorded. Frames
    that were skipped are NaN in them, and what is needed to fill them in stays in the output
    directory.

    Parameters
    ----------
    job
        What to do; its movies do not matter, and need not be given.
    source
        A file that is being written, a folder that is being filled with them, ``-`` for standard
        input, a capture device, or a URL.
    progress
        Is told how it goes; None for silence.
    load
        Loads an export on a runtime; None for the usual way, so that one frame is done as soon as
        can be.
    options
        ``end_after_s``, ``when_behind``, ``publish``, ``status``, ``preview`` and others: see
        `engine.job.job.LiveOptions`.

    Raises
    ------
    InputError
        If the source, the model, the output directory, a parameter or a publisher cannot be used.
    RunError
        If nothing comes, an output cannot be written any more, the model gives poses that cannot
        be, or the system gives no more memory.
    Interrupted
        After a second interrupt.
    """
    chosen = LiveOptions(str(source), **options)
    job = replace(job, movies=[Path(chosen.source)])
    if chosen.status is not None:
        check_replaceable("status", chosen.status, MADE_BY)
    load = load or partial(load_for, job, is_prompt=True)
    with naming_lack_of_memory():
        recorder = open_live(
            chosen.source,
            crop=job.crop_rect,
            end_after_s=chosen.end_after_s,
            newest_only=chosen.skips,
            recording=lambda number: job.output_dir / f"recording.{number}.mkv",
        )
        recorder.check()
        place, follow, sinks = prepare(job, [])
        if follow is not None:  # of a recording that begins there are no frames to look at first
            follow = replace(follow, is_calibrated=False)
        place.outputs.check_apart(job.inputs, chosen.named_files)
        found = sorted(job.output_dir.glob("recording.*.mkv"))
        if found and recorder.is_recorded:  # it may be all there is of a session
            raise InputError(
                f"output directory {job.output_dir}: already holds a recording "
                f"({found[0].name}); choose another"
            )
        export, progress = sinks.export, progress or Progress()
        audience = Audience(chosen, export, sinks.style, sinks.in_saved_coordinates, progress)
        with audience, closing(load(export, job.runtime)) as model:
            run = RunContext(job, export, model, sinks, place.folder, progress, follow)
            return _work(run, place, _Recording(run, recorder, audience, chosen.skips))


def _work(run: RunContext, place: Workplace, recording: _Recording) -> RunResult:
    """Take the recording, and make all outputs of what was recorded."""
    identity = identify(run.job, run.export, run.model.runtime, [], None, is_live=True)
    place.check_same(identity, None)
    unfinished = place.unfinished
    journals = place.folder.journals()
    if unfinished and (unfinished.is_finished or any(not found.is_live for found in journals)):
        raise InputError(
            f"output directory {run.job.output_dir}: its recording has ended; "
            "go on with posestream run MOVIE --resume"
        )
    with place.working([]):
        place.begin(identity, is_live=True)
        movies = recording.take()
        place.outputs.check_apart(movie.path for movie in movies)
        results = make_outputs(run, movies, was_live=True)
        written = run.sinks.files(len(movies), place.outputs)
        place.move_outputs(written)
        if any(result.counts.skipped.num_frames for result in results):
            place.folder.keep_journals()
        else:
            place.folder.remove()
        return run_result(written, results)


@dataclass
class _Recording:
    """The movies of a recording, one after the other, while they are recorded."""

    run: RunContext
    source: LiveSource
    audience: Audience
    skips: bool
    _problem: MovieError | None = field(default=None, init=False)
    _told: set[str] = field(default_factory=set, init=False)

    def take(self) -> list[MovieInfo]:
        """Take every movie as far as can be while it is recorded; give them as they are now.

        Poses are published as they come, and kept in a journal; the labelled movie is drawn and
        left in its segments; annotations appear in parts.

        Raises a `RunError` if nothing came that could be read.
        """
        for message in model_warnings(self.run.job, self.run.export, []):
            self.audience.warn(message)
        movies: list[tuple[MovieInfo, EndedBy | None]] = []
        parts = AnnotationParts(
            self.run.folder.path / "annotations",
            self.run.job.experiment_annotations_format,
            body_parts=self.run.export.body_parts,
            has_hardware_counter=False,
        )
        with parts, closing(self.source.movies()) as sources:
            is_over = False
            while not is_over:
                with ExitStack() as resources:
                    movie = self._open_next(sources, resources, are_some=bool(movies))
                    if movie is None:
                        break
                    self._take_one(movie, len(movies), parts)
                    movies.append((movie.info, movie.ended_by))
                    is_over = movie.ended_by == "stopped"
        if not movies:
            raise self._problem or RunError("nothing was recorded")
        if self._problem is not None:
            self.audience.warn(str(self._problem))
        self.audience.note("the recording has ended; making the outputs")
        return [_as_recorded(info, ended_by) for info, ended_by in movies]

    def _open_next(
        self, sources: Generator[LiveMovie, None, None], resources: ExitStack, *, are_some: bool
    ) -> LiveMovie | None:
        """Wait for the next movie's first picture; None where the recording has ended.

        A movie that cannot be read is passed over: of a series, the others are not lost.
        """
        while True:
            try:
                movie = next(sources, None)
                return None if movie is None else resources.enter_context(movie)
            except MovieError as error:
                if self._problem is not None:
                    self.audience.warn(str(self._problem))
                self._problem = error
            except KeyboardInterrupt:
                if are_some:
                    return None
                raise

    def _take_one(self, movie: LiveMovie, number: int, parts: AnnotationParts) -> None:
        job, sinks = self.run.job, self.run.sinks
        if job.crop_rect is not None:
            job.crop_rect.check_inside(movie.info)
            warning = alignment_warning(job, self.run.export, movie.info)
            if warning is not None and warning not in self._told:
                self._told.add(warning)
                self.audience.warn(warning)
        known = read_journal(self.run.folder.journal(number))
        if known is not None and known.num_frames:
            begun = undisturbed(inspect_movie, movie.path)
            picture = undisturbed(first_picture, begun, job.crop_rect)
            self.run.folder.note_first_picture(number, picture)
        for note in movie.info.notes:
            self.audience.warn(f"{movie.path}: {note}")

        def lanes(_: FrameCounts) -> list[Lane]:
            path = self.run.folder.path / LABELLED_MOVIE.format(movie=number)
            labelled_movie = sinks.labelled_movie(path, movie, joins=False)
            data = sinks.in_saved_coordinates(parts.movie(movie.info))
            return [Lane("labelled movie", [labelled_movie]), Lane("data", [data])]

        watch = _LiveWatch(self.audience, movie, number, self.run.folder)
        run_movie(self.run, number, movie, lanes, watch.behind, [watch], reads_on_demand=self.skips)


def _as_recorded(info: MovieInfo, ended_by: EndedBy | None) -> MovieInfo:
    """Look at a movie again now that it is recorded, if it is still there."""
    if ended_by == "damaged":
        return info
    try:
        recorded = undisturbed(inspect_movie, info.path)
    except MovieError:
        return info
    # That there is more, or will be, is no damage of what was asked for.
    damage = None if ended_by == "stopped" else recorded.damage
    return replace(
        recorded, damage=damage, notes=tuple(dict.fromkeys((*info.notes, *recorded.notes)))
    )


class _LiveWatch(MovieWatch):
    """Tells the audience of a movie while it is recorded, and publishes its unfiltered poses.

    As a stage of the pipeline, it also notes the first picture.
    """

    def __init__(
        self, audience: Audience, movie: LiveMovie, number: int, folder: UnfinishedRun
    ) -> None:
        self._audience, self._movie, self._number = audience, movie, number
        self._folder = folder
        self._num_known_frames = 0
        self._has_warned = False

    def behind(self, num_known_frames: int) -> MovieWatch:
        """Begin behind the frames that an earlier run has published."""
        self._num_known_frames = num_known_frames
        return self

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        """Publish the batch, unless an earlier live run has done so; return it."""
        frames = batch.frames
        is_first = frames.first_frame_index == 0 and frames.images[0].size
        if is_first and frames.status[0] != FrameStatus.SKIPPED:
            self._folder.note_first_picture(self._number, picture_digest(frames.images[0]))
        if not isinstance(frames, KnownFrames):
            self._audience.publish(batch)
        return [batch]

    def flush(self) -> list[PoseBatch]:
        """Return nothing: nothing is held back."""
        return []

    def open(self, resources: ExitStack) -> None:
        """Begin the movie."""
        self._audience.begin_movie(self._movie, self._number, self._num_known_frames)
        resources.enter_context(at_success(self._audience.end_movie))

    def advance(self, num_frames: int) -> None:  # noqa: ARG002 -- as all that watch a movie
        """Tell how the run does, and warn once of pictures that are not of the movie's size."""
        if self._movie.size_change is not None and not self._has_warned:
            self._has_warned = True
            self._audience.warn(f"{self._movie.path}: {self._movie.size_change}")
        self._audience.show()

    def tell_of_stop(self) -> None:
        """Say that an interrupt was heard."""
        self._audience.note("ending: what has arrived is worked off; once more stops at once")
