"""The cost of each stage alone, but for the model: one after the other on the same frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from engine.bench.inference import NullModel
from engine.builtin import MODEL_DIR
from engine.inference import ModelExport, read_export, usual_batch_size
from engine.job.job import Job
from engine.job.overlay_style import overlay_style
from engine.pipeline.batch_size import Cost, Stopwatch
from engine.pipeline.median import MedianFilter
from engine.pipeline.prediction import Prediction
from engine.runs.job_sinks import OUTPUTS, JobSinks, output_directory
from readers import MovieInfo, MovieReader, open_movie
from sinks import PoseBatch, Sink

DECODE, CONVERSION, FILTER = "decode", "colour conversion", "median filter"
_READ = "decode and colour conversion"


def drawing_stages() -> list[str]:
    """Give the names of the outputs that are drawn on pictures."""
    return [output.name for output in OUTPUTS if output.needs_pictures]


def data_stages() -> list[str]:
    """Give the names of the outputs that need no pictures."""
    return [output.name for output in OUTPUTS if not output.needs_pictures]


@dataclass(frozen=True)
class StageCosts:
    """The costs of the stages around the model.

    Attributes
    ----------
    by_stage
        Cost of each stage, by its name, in the order of the data's way.
    opening, closing
        What opening all files and finishing all outputs costs once a movie.
    """

    by_stage: Mapping[str, Cost]
    opening: Cost
    closing: Cost


def measure_stages(
    tell: Callable[[int], None],
    job: Job,
    movie: MovieInfo,
    most_frames: int,
    measured_s: float,
) -> StageCosts:
    """Measure the stages around the model on the first frames of a movie.

    The same objects that a run connects are called one after the other; poses are constant. Outputs
    go to the job's directory.

    Parameters
    ----------
    tell
        Is told how many frames are through.
    job
        What to do.
    movie
        Which movie.
    most_frames
        Frames after which to stop.
    measured_s
        Seconds after which to stop, for decoding alone and for all stages together.
    """
    decode = decode_cost(job, movie, most_frames, measured_s)
    export = read_export(job.model or MODEL_DIR)
    return _Walk(tell, job, movie, export).costs(most_frames, measured_s, decode)


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


class _Walk:
    """One movie's frames through all stages, on one thread."""

    def __init__(
        self, tell: Callable[[int], None], job: Job, movie: MovieInfo, export: ModelExport
    ) -> None:
        self._tell, self._job, self._movie = tell, job, movie
        self._prediction = Prediction(NullModel(export.body_parts))
        self._median = MedianFilter(max(1, job.window_length))
        style = overlay_style(job, export.body_parts)
        self._outputs = JobSinks(job, export, style, output_directory(job.output_dir))
        self._watches = {name: Stopwatch() for name in (_READ, FILTER)}
        self._opening, self._closing = Stopwatch(), Stopwatch()
        self._sinks: dict[str, Sink] = {}
        self._num_written = 0

    def costs(self, most_frames: int, measured_s: float, decode: Cost) -> StageCosts:
        with ExitStack() as files:
            with self._opening.running():
                reader = files.enter_context(
                    open_movie(self._movie, self._job.crop_rect, most_frames)
                )
                of_run = files.enter_context(self._outputs.opened(self._movie))
                for output, sink in self._outputs.of_movie(0, reader, of_run).items():
                    self._watches[output.name] = Stopwatch()
                    self._sinks[output.name] = files.enter_context(sink)
            self._walk(reader, measured_s)
            with self._closing.running():
                files.pop_all().close()
        read = self._watches.pop(_READ).cost(self._num_written)
        around = {name: watch.cost(self._num_written) for name, watch in self._watches.items()}
        return StageCosts(
            {DECODE: decode, CONVERSION: read.without(decode), **around},
            self._opening.cost(self._num_written),
            self._closing.cost(self._num_written),
        )

    def _walk(self, reader: MovieReader, measured_s: float) -> None:
        size = batch_size(self._job, reader.image_shape)
        num_buffers = self._median.num_held_batches(size) + 1
        shape = (size, *reader.image_shape)
        # Made when they are needed: a wide window asks for many, a short movie needs few.
        for images in cycle(np.empty(shape, np.uint8) for _ in range(num_buffers)):
            with self._watches[_READ].running():
                frames = reader.read(images)
            so_far_s = sum(watch.wall_s for watch in self._watches.values())
            is_over = frames is None or so_far_s >= measured_s
            if frames is not None:
                (poses,) = self._prediction.push(frames)
                with self._watches[FILTER].running():
                    released = self._median.push(poses)
                self._write(released)
            if is_over:
                with self._watches[FILTER].running():
                    released = self._median.flush()
                self._write(released)
                return

    def _write(self, batches: list[PoseBatch]) -> None:
        for batch in batches:
            for name, sink in self._sinks.items():
                with self._watches[name].running():
                    sink.write(batch)
            self._num_written += len(batch)
            self._tell(self._num_written)


def batch_size(job: Job, image_shape: tuple[int, ...]) -> int:
    """Tell the frames a batch of a job before anything was measured."""
    return job.batch_size if isinstance(job.batch_size, int) else usual_batch_size(image_shape)
