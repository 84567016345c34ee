"""The composition root: a job becomes readers, a model, stages and sinks, and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.builtin import DEMO_MOVIE, MODEL_DIR
from engine.drawing import overlay_style
from engine.errors import RunError
from engine.fan_out import FanOut
from engine.inference import (
    ModelExport,
    PoseModel,
    load_model,
    read_export,
    usual_batch_size,
)
from engine.job import Job
from engine.median import MedianFilter
from engine.outputs import OutputDirectory
from engine.pipeline import Lane, Pipeline
from engine.prediction import Prediction
from engine.probe import probe_batch_size
from engine.progress import Progress, SilentProgress
from engine.provenance import MovieResult, describe_movie, describe_run
from readers import InputError, MovieInfo, inspect_movies, open_movie
from sinks import (
    ExperimentAnnotations,
    FrameCounts,
    LabelledMovieDescription,
    ModelDescription,
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
        One result per movie, in the order in which they were read.
    warnings
        What the user should know, a line each.
    """

    outputs: tuple[Path, ...]
    movies: tuple[MovieResult, ...]
    warnings: tuple[str, ...]


def run(
    job: Job,
    progress: Progress | None = None,
    *,
    load: Callable[[ModelExport, str], PoseModel] = load_model,
    most_frames: int | None = None,
) -> RunResult:
    """Run a job: every movie is decoded once, and all outputs are written as its frames come.

    Everything that can be checked is checked before the output directory is touched.

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
        If a movie cannot be read any more once the work has begun.
    """
    return _Run(job, progress or SilentProgress(), load, most_frames).run()


@contextmanager
def _begun() -> Iterator[None]:
    """Once work has begun, a movie or a file that cannot be used is no longer bad input."""
    try:
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
        self._started = datetime.now(UTC)
        self._warnings: list[str] = []
        self._results: list[MovieResult] = []
        self._outputs = OutputDirectory(job.output_dir)
        self._movies = inspect_movies(job.movies)
        if job.crop_rect is not None:
            for movie in self._movies:
                job.crop_rect.check_inside(movie)
        self._export = read_export(job.model or MODEL_DIR)
        style = overlay_style(job, self._export.body_parts)
        self._fan_out = FanOut(job, self._export, style, self._outputs)
        self._outputs.check(self._movies, overwrite=job.overwrite)

    def run(self) -> RunResult:
        model = self._load(self._export, self._job.runtime)
        with closing(model), self._directory(), _begun():
            self._model: PoseModel = model
            self._warn_of_model()
            with self._fan_out.annotations(self._movies[0]) as annotations:
                for number, movie in enumerate(self._movies):
                    self._results.append(self._run_movie(number, movie, annotations))
                    # An earlier run's would describe poses that are no longer there.
                    self._outputs.metadata.unlink(missing_ok=True)
            self._write_metadata()
        outputs = self._written()
        self._outputs.remove_results_except(outputs)
        return RunResult(tuple(sorted(outputs)), tuple(self._results), tuple(self._warnings))

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

    def _warn_of_frames(self, movie: MovieInfo, counts: FrameCounts) -> None:
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

    @contextmanager
    def _directory(self) -> Iterator[None]:
        """Make the output directory; take it away again if nothing came of the run."""
        made = self._outputs.make()
        try:
            yield
        except BaseException:
            with suppress(OSError):  # not empty: what is there is complete
                for path in made:
                    path.rmdir()
            raise

    def _run_movie(
        self, number: int, movie: MovieInfo, annotations: ExperimentAnnotations
    ) -> MovieResult:
        median = MedianFilter(max(1, self._job.window_length))
        counts = FrameCounts()
        with ExitStack() as stack:
            reader = stack.enter_context(open_movie(movie, self._job.crop_rect, self._most_frames))
            batch_size = self._batch_size(reader.image_shape)
            predict = Prediction(self._model)
            self._progress.begin(" ".join(movie.path.name.split()), movie.num_frames_from_header)
            stack.callback(self._progress.end)
            Pipeline(
                reader=reader,
                predict=predict,
                stages=[median],
                lanes=[
                    Lane("labelled movie", [self._fan_out.labelled_movie(number, reader)]),
                    Lane("data", [counts, *self._fan_out.data(number, reader, annotations)]),
                ],
                batch_size=batch_size,
                num_held_batches=predict.num_held_batches(batch_size, reader.image_shape)
                + median.num_held_batches(batch_size),
                on_progress=self._progress.advance,
                cancel_work=self._model.close,
            ).run()
        self._warn_of_frames(movie, counts)
        return MovieResult(movie, counts.num_frames, counts.num_dropped, counts.num_undecodable)

    def _batch_size(self, image_shape: tuple[int, ...]) -> int:
        if isinstance(self._job.batch_size, int):
            return self._job.batch_size
        if self._job.batch_size is None or self._export.depends_on_batch:
            return usual_batch_size(image_shape)
        return probe_batch_size(self._model, image_shape)

    def _write_metadata(self) -> None:
        export = self._export
        finished = datetime.now(UTC)
        write_metadata(
            self._outputs.metadata,
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
                **describe_run(self._job, export, self._model.runtime),
                "movies": [describe_movie(result) for result in self._results],
                "warnings": self._warnings,
                "started": self._started.isoformat(timespec="seconds"),
                "duration_s": round((finished - self._started).total_seconds(), 3),
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

    def _written(self) -> set[Path]:
        names = self._outputs
        paths = {names.annotations(self._job.experiment_annotations_format), names.metadata}
        for number in range(len(self._movies)):
            paths |= {names.pose_estimates(number), names.labelled_movie(number)}
            paths |= set(names.previews(number))
        return paths

    def _warn(self, message: str) -> None:
        self._warnings.append(message)
        self._progress.warn(message)
