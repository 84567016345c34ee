"""The composition root: a job becomes readers, a model, stages and sinks, and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.builtin import DEMO_MOVIE, MODEL_DIR
from engine.disk_space import space_warning
from engine.drawing import overlay_style
from engine.earlier_run import find_earlier_run
from engine.errors import Interrupted, RunError
from engine.fan_out import FanOut
from engine.finished import read_finished_run
from engine.identity import digest, identify
from engine.inference import ModelExport, PoseModel, load_model, read_export
from engine.job import Job
from engine.movie_run import MovieRun
from engine.outputs import OutputDirectory
from engine.progress import Progress, SilentProgress
from engine.provenance import MovieResult, describe_movie, describe_run
from engine.unfinished import RunRecord, UnfinishedRun
from readers import InputError, inspect_movies
from sinks import (
    LabelledMovieDescription,
    ModelDescription,
    OutputError,
    write_metadata,
)


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


def run(
    job: Job,
    progress: Progress | None = None,
    *,
    load: Callable[[ModelExport, str], PoseModel] = load_model,
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
        Is told how far the run is; None for nobody.
    load
        Loads an export on a runtime.
    most_frames
        Every movie is taken to end after as many frames.

    Raises
    ------
    InputError
        If a movie, the model, the output directory or a parameter cannot be used.
    RunError
        If a movie cannot be read or an output cannot be written any more once the work has begun.
    Interrupted
        After an interrupt, when what the model had in hand is safe.
    """
    return _Run(job, progress or SilentProgress(), load, most_frames).run()


@contextmanager
def _writable() -> Iterator[None]:
    """Let an output that cannot be written any more end the run."""
    try:
        yield
    except OutputError as error:
        raise RunError(str(error)) from error


@contextmanager
def _begun() -> Iterator[None]:
    """Once work has begun, a movie or a file that cannot be used is no longer bad input."""
    try:
        with _writable():
            yield
    except InputError as error:
        raise RunError(str(error)) from error


class _Run:
    """One run of a job; checks in its constructor, works in `run`."""

    def __init__(
        self,
        job: Job,
        progress: Progress,
        load: Callable[[ModelExport, str], PoseModel],
        most_frames: int | None,
    ) -> None:
        self._job = job
        self._progress = progress
        self._load = load
        self._most_frames = most_frames
        self._warnings: list[str] = []
        self._results: list[MovieResult] = []
        self._outputs = OutputDirectory(job.output_dir)
        self._movies = inspect_movies(job.movies)
        if job.crop_rect is not None:
            for movie in self._movies:
                job.crop_rect.check_inside(movie)
        self._export = read_export(job.model or MODEL_DIR)
        style = overlay_style(job, self._export.body_parts)
        self._folder = UnfinishedRun(job.output_dir)
        self._fan_out = FanOut(job, self._export, style, self._folder.outputs)
        self._earlier = find_earlier_run(job, self._folder, self._outputs.metadata)
        may_replace = job.overwrite or self._earlier.allows_results
        self._outputs.check(self._movies, overwrite=may_replace)

    def run(self) -> RunResult:
        model = self._load(self._export, self._job.runtime)
        with closing(model):
            identity = identify(
                self._job, self._export, model.runtime, self._movies, self._most_frames
            )
            self._earlier.check(self._job.output_dir, identity, self._movies)
            if self._earlier.finished is None:
                self._work(model, identity)
        return self._result()

    def _work(self, model: PoseModel, identity: dict[str, Any]) -> None:
        self._warn_of_space()
        with self._working():
            record = self._earlier.unfinished or self._begin_record(identity)
            if not record.is_finished:
                self._make_outputs(model, record)
            self._move_outputs()

    def _result(self) -> RunResult:
        finished = read_finished_run(self._outputs.metadata)
        return RunResult(
            tuple(sorted(self._written())),
            tuple(self._results),
            () if finished is None else finished.warnings,
            finished is not None and finished.is_damaged,
        )

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Hold the folder of the run; take it away again if nothing came of the run."""
        made = self._outputs.make()
        try:
            with _writable(), self._folder.made(), self._folder.locked():
                try:
                    # Under the lock once more: another run may have been faster.
                    if self._earlier.unfinished is None:
                        self._outputs.check(self._movies, overwrite=self._job.overwrite)
                    with _begun():
                        yield
                except BaseException as error:
                    self._give_up(error)
                    raise
        except BaseException:
            with suppress(OSError):  # not empty: somebody can go on with what is there
                for path in made:
                    path.rmdir()
            raise

    def _begin_record(self, identity: dict[str, Any]) -> RunRecord:
        self._folder.clear()
        record = RunRecord(
            identity=identity,
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
            overwrite=self._job.overwrite,
        )
        self._folder.write_record(record)
        return record

    def _give_up(self, error: BaseException) -> None:
        try:
            num_frames = self._folder.num_frames
        except OSError:  # of a disk that fails, which the error tells already
            return
        if num_frames == 0:
            with suppress(OSError, OutputError):
                self._folder.remove()
            return
        hint = f"{num_frames:,} frames are done and kept; go on with --resume"
        if isinstance(error, RunError):
            raise RunError(f"{error}; {hint}") from error
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"interrupted; {hint}") from error

    def _make_outputs(self, model: PoseModel, record: RunRecord) -> None:
        self._warn_of_model()
        with self._fan_out.annotations(self._movies[0]) as annotations:
            for number, movie in enumerate(self._movies):
                movie_run = MovieRun(
                    job=self._job,
                    number=number,
                    movie=movie,
                    model=model,
                    depends_on_batch=self._export.depends_on_batch,
                    fan_out=self._fan_out,
                    folder=self._folder,
                    progress=self._progress,
                    most_frames=self._most_frames,
                )
                self._results.append(movie_run.run(annotations))
                self._warn_of_frames(self._results[-1])
        self._write_metadata(model.runtime, record)
        self._folder.write_record(replace(record, is_finished=True))

    def _warn_of_model(self) -> None:
        if self._job.model is None and any(movie.path != DEMO_MOVIE for movie in self._movies):
            self._warn(
                "no model was given: the built-in one has learned from generated movies alone "
                "and misleads on recordings"
            )
        if self._export.depends_on_batch:
            self._warn(
                f"{self._export.directory}: this model's predictions depend on which frames "
                "share a batch (its batch normalisation is in training mode); it runs one "
                "frame at a time"
            )

    def _warn_of_frames(self, result: MovieResult) -> None:
        movie, counts = result.movie, result.counts
        if result.damage is not None:
            self._warn(f"{movie.path}: {result.damage}")
        if counts.num_undecodable:
            self._warn(
                f"{movie.path}: {counts.num_undecodable} of {counts.num_frames} frames could not "
                "be decoded; their poses are NaN"
            )
        claimed = movie.num_frames_from_header
        if claimed is not None and claimed != counts.num_frames:
            self._warn(
                f"{movie.path}: its header claims {claimed} frames, {counts.num_frames} are there"
            )

    def _warn_of_space(self) -> None:
        warning = space_warning(self._job, self._movies, len(self._export.body_parts))
        if warning is not None:  # not one of the results' own: it depends on the disk
            self._progress.warn(warning)

    def _write_metadata(self, runtime: str, record: RunRecord) -> None:
        export = self._export
        started = datetime.fromisoformat(record.started)
        write_metadata(
            self._folder.outputs.metadata,
            model=ModelDescription(
                task=export.task,
                scorer=export.experimenter,
                date=export.date,
                network=export.network,
                body_parts=export.body_parts,
                snapshot=export.iterations,
            ),
            labelled_movies=[self._describe_labelled_movie(result) for result in self._results],
            provenance={
                **describe_run(self._job, export, runtime),
                "movies": [describe_movie(result) for result in self._results],
                "warnings": self._warnings,
                "is_damaged": any(result.is_damaged for result in self._results),
                "identity_sha256": digest(record.identity),
                "started": started.isoformat(timespec="seconds"),
                "duration_s": round((datetime.now(UTC) - started).total_seconds(), 3),
            },
        )

    def _describe_labelled_movie(self, result: MovieResult) -> LabelledMovieDescription:
        crop = self._job.crop_rect
        return LabelledMovieDescription(
            width=result.movie.width if crop is None else crop.width,
            height=result.movie.height if crop is None else crop.height,
            frame_rate=float(self._fan_out.labelled_frame_rate(result.movie)),
            num_frames=result.num_frames,
        )

    def _written(self) -> list[Path]:
        """Give the paths of all outputs, the metadata last: they tell that all others are there."""
        names = self._outputs
        paths = [names.annotations(self._job.experiment_annotations_format)]
        for number in range(len(self._movies)):
            paths += [names.pose_estimates(number), names.labelled_movie(number)]
            paths += names.previews(number)
        return [*paths, names.metadata]

    def _move_outputs(self) -> None:
        written = self._written()
        if self._folder.outputs.metadata.exists():
            # An earlier run's would describe poses that are no longer there.
            self._outputs.metadata.unlink(missing_ok=True)
        self._folder.move_outputs(written)
        self._outputs.remove_results_except(written)
        self._folder.remove()

    def _warn(self, message: str) -> None:
        self._warnings.append(message)
        self._progress.warn(message)
