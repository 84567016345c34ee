"""The costs of a job: each stage alone, the model by runtime and batch size, and a whole run.

What is measured runs in a process of its own, and tells how far it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.builtin import MODEL_DIR
from engine.inference import ModelExport, PoseModel, load_model, read_export, usual_batch_size
from engine.job.job import Job
from engine.job.overlay_style import overlay_style
from engine.machine.system import peak_mib
from engine.pipeline.batch_size import Cost, Stopwatch, costs_by_batch_size
from engine.pipeline.median import MedianFilter
from engine.pipeline.prediction import Prediction
from engine.runs.job_sinks import JobSinks, output_directory
from engine.runs.run import run
from engine.watch.progress import Progress
from readers import MovieInfo, MovieReader, open_movie
from sinks import PoseBatch

DECODE, CONVERSION, FILTER = "decode", "colour conversion", "median filter"
_READ = "decode and colour conversion"
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
_LONGEST_BATCH_S = 5.0


class NullModel(PoseModel):
    """A model to measure everything around one: it gives every image the same pose.

    The body parts are on the image's diagonal, all of them certain.
    """

    runtime = "none"

    def __init__(self, body_parts: tuple[str, ...]) -> None:
        self.body_parts = body_parts

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Give the constant pose; see `PoseModel.predict`."""
        height, width = images.shape[1:3]
        number = len(self.body_parts)
        place = np.arange(1, number + 1)[:, np.newaxis] / (number + 1)
        pose = np.concatenate([place * [width, height], np.ones((number, 1))], axis=1)
        return np.repeat(pose[np.newaxis], len(images), axis=0)

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


def load_null_model(export: ModelExport, runtime: str) -> PoseModel:  # noqa: ARG001 -- a loader
    """Stand in for `load_model`."""
    return NullModel(export.body_parts)


@dataclass(frozen=True)
class StageCosts:
    """The costs of the stages around the model."""

    by_stage: Mapping[str, Cost]  # in the order of the data's way
    opening: Cost  # of all files, once a movie; `closing` is that of finishing all outputs
    closing: Cost


def measure_stages(
    tell: Callable[[int], None],
    job: Job,
    movie: MovieInfo,
    most_frames: int,
    measured_s: float,
) -> StageCosts:
    """Measure the stages around the model on the first frames of a movie, one after the other.

    They are the objects that a run connects; poses are constant. Outputs go to the job's directory.
    Decoding alone, and all stages together, stop after `measured_s` seconds.
    """
    decode = decode_cost(job, movie, most_frames, measured_s)
    export = read_export(job.model or MODEL_DIR)
    style = overlay_style(job, export.body_parts)
    outputs = JobSinks(job, export, style, output_directory(job.output_dir))
    opening, closing = Stopwatch(), Stopwatch()
    watches = {_READ: Stopwatch(), FILTER: Stopwatch()}
    num_written = 0
    with ExitStack() as files:
        with opening.running():
            reader = files.enter_context(open_movie(movie, job.crop_rect, most_frames))
            of_run = files.enter_context(outputs.opened(movie))
            of_movie = outputs.of_movie(0, reader, of_run)
            sinks = {output.name: files.enter_context(sink) for output, sink in of_movie.items()}
        watches |= {name: Stopwatch() for name in sinks}
        for batch in _filtered(job, export, reader, watches, measured_s):
            for name, sink in sinks.items():
                with watches[name].running():
                    sink.write(batch)
            num_written += len(batch)
            tell(num_written)
        with closing.running():
            files.pop_all().close()
    read = watches.pop(_READ).cost(num_written)
    around = {name: watch.cost(num_written) for name, watch in watches.items()}
    by_stage = {DECODE: decode, CONVERSION: read.without(decode), **around}
    return StageCosts(by_stage, opening.cost(num_written), closing.cost(num_written))


def _filtered(
    job: Job,
    export: ModelExport,
    reader: MovieReader,
    watches: Mapping[str, Stopwatch],
    measured_s: float,
) -> Iterator[PoseBatch]:
    """Read frames until all watches together show so many seconds; give their constant poses."""
    prediction = Prediction(NullModel(export.body_parts))
    median = MedianFilter(max(1, job.window_length))
    size = batch_size(job, reader.image_shape)
    num_buffers = median.num_held_batches(size) + 1
    shape = (size, *reader.image_shape)
    # Made when they are needed: a wide window asks for many, a short movie needs few.
    for images in cycle(np.empty(shape, np.uint8) for _ in range(num_buffers)):
        with watches[_READ].running():
            frames = reader.read(images)
        is_over = frames is None or sum(watch.wall_s for watch in watches.values()) >= measured_s
        if frames is not None:
            (poses,) = prediction.push(frames)
            with watches[FILTER].running():
                released = median.push(poses)
            yield from released
        if is_over:
            break
    with watches[FILTER].running():
        released = median.flush()
    yield from released


def decode_cost(job: Job, movie: MovieInfo, most_frames: int, measured_s: float) -> Cost:
    """Measure decoding alone, on the first frames of a movie; see `measure_stages`."""
    watch = Stopwatch()
    num_frames = 0
    with open_movie(movie, job.crop_rect, most_frames) as reader:
        while watch.wall_s < measured_s:
            with watch.running():
                num_skipped = reader.decode(8)
            num_frames += num_skipped
            if num_skipped == 0:
                break
    return watch.cost(num_frames)


def batch_size(job: Job, image_shape: tuple[int, ...]) -> int:
    """Tell the frames a batch of a job before anything was measured."""
    return job.batch_size if isinstance(job.batch_size, int) else usual_batch_size(image_shape)


@dataclass(frozen=True)
class InferenceCost:
    """The cost of one batch size on one runtime, and the peak memory of a process that runs it."""

    runtime: str
    batch_size: int
    cost: Cost
    peak_mib: float

    def as_json(self) -> dict[str, object]:
        """Give it by plain JSON values."""
        ran = {"runtime": self.runtime, "batch_size": self.batch_size}
        return {**ran, **self.cost.as_json(), "peak_mib": self.peak_mib}


def measure_inference(
    tell: Callable[[InferenceCost], None],
    folder: Path,
    runtime: str,
    image_shape: tuple[int, ...],
    sizes: Sequence[int],
    measured_s: float,
) -> str:
    """Measure the export in a folder at rising batch sizes, `measured_s` seconds each.

    Tells each result when it is there, and returns why larger sizes were not tried; an empty text
    if all were.
    """
    model = load_model(read_export(folder), runtime, image_shapes=[image_shape])
    try:
        for size, cost in costs_by_batch_size(model, image_shape, sizes, measured_s):
            tell(InferenceCost(runtime, size, cost, peak_mib()))
            next_s = 2 * size / cost.frames_per_s
            if next_s > _LONGEST_BATCH_S and size != sizes[-1]:
                return f"{runtime}: a batch of more than {size} would take over {next_s:.0f} s"
    except MemoryError as error:
        return f"{runtime}: the next larger batch does not fit in memory ({error})"
    return ""


@dataclass(frozen=True)
class WholeJob:
    """The costs of a run, from the start of its process to the last output."""

    total: Cost
    steady: Cost
    """From the first frames that were through to the last: what a longer movie goes on with."""
    startup: Cost  # until the movie was opened: Python, libraries, checks, model
    first_pose_s: float
    """From the start of the process until the first poses had gone to every output."""
    peak_mib: float
    follow: str | None = None
    """What following the animal came to, in one line; None where it was not followed."""


def measure_whole_job(
    tell: Callable[[int], None], job: Job, most_frames: int, is_null: bool, started_s: float
) -> WholeJob:
    """Run a job as the command does, on the first frames of its movie.

    With `is_null` poses are constant. This process was started at `started_s` of ``time.time``.
    """
    progress = _Diary(tell, started_s)
    load = load_null_model if is_null else None
    result = run(job, progress, load=load, most_frames=most_frames)
    num_frames, follow = result.movies[0].num_frames, result.movies[0].follow
    first, last = progress.first, progress.last
    steady = Cost(
        max(last.num_frames - first.num_frames, 1),
        max(last.wall_s - first.wall_s, 1e-9),
        last.core_s - first.core_s,
    )
    return WholeJob(
        total=progress.now(num_frames),
        steady=steady if last.num_frames > first.num_frames else progress.now(num_frames),
        startup=replace(progress.opened, num_frames=num_frames),
        first_pose_s=first.wall_s,
        peak_mib=peak_mib(),
        follow=None if follow is None else follow.as_text(),
    )


class _Diary(Progress):
    """The time and processor time at the first and the latest frames of a run."""

    def __init__(self, tell: Callable[[int], None], started_s: float) -> None:
        self._tell, self._started_s = tell, started_s
        self.opened = self.first = self.last = Cost(0, 0.0, 0.0)

    def now(self, num_frames: int) -> Cost:
        """Note the time since the process was started."""
        return Cost(num_frames, time.time() - self._started_s, time.process_time())

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:  # noqa: ARG002 -- a Progress
        """Note that the movie is open."""
        self.opened = self.now(0)

    def advance(self, done: int) -> None:
        """Note the first and the latest frames that are through."""
        if done > self.last.num_frames:
            self.last = self.now(done)
            if self.first.num_frames == 0:
                self.first = self.last
            self._tell(done)
