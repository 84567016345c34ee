"""The speed of each stage alone, on the built-in movie: ``make bench``."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from engine import Job, run
from engine.bench.costs import load_null_model
from engine.builtin import DEMO_MOVIE, MODEL_DIR
from engine.inference import ModelExport, PoseModel, load_model, read_export
from engine.pipeline.median import MedianFilter
from engine.run_folder.journal import Journal, JournalContent
from engine.runs import job_sinks
from engine.runs.job_sinks import OUTPUTS, JobSinks, Output, output_directory
from readers import FrameBatch, inspect_movie, open_movie
from sinks import OverlayStyle, PoseBatch
from sinks.labelled_movie.overlay import Overlay
from tests.batches import pose_batches

EXPORT = read_export(MODEL_DIR)
BODY_PARTS = EXPORT.body_parts
BATCH_SIZE = 8


@pytest.fixture(scope="module")
def frames() -> list[FrameBatch]:
    """All frames of the built-in movie."""
    batches = []
    with open_movie(inspect_movie(DEMO_MOVIE)) as reader:
        while batch := reader.read(np.empty((BATCH_SIZE, *reader.image_shape), np.uint8)):
            batches.append(batch)
    return batches


@pytest.fixture(scope="module")
def poses(frames: list[FrameBatch]) -> list[PoseBatch]:
    """Poses that wander over the picture."""
    random = np.random.default_rng(0)
    return [
        PoseBatch(batch, random.uniform(0, 1, (len(batch), len(BODY_PARTS), 3)) * (640, 480, 1))
        for batch in frames
    ]


def test_decode(benchmark: BenchmarkFixture) -> None:
    """Decode the movie."""

    def decode() -> None:
        with open_movie(inspect_movie(DEMO_MOVIE)) as reader:
            reader.decode(sys.maxsize)

    benchmark(decode)


def test_read(benchmark: BenchmarkFixture) -> None:
    """Decode and convert the movie."""

    def read() -> None:
        with open_movie(inspect_movie(DEMO_MOVIE)) as reader:
            images = np.empty((BATCH_SIZE, *reader.image_shape), np.uint8)
            while reader.read(images):
                pass

    benchmark(read)


@pytest.mark.parametrize("batch_size", [1, BATCH_SIZE])
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_inference(
    benchmark: BenchmarkFixture, frames: list[FrameBatch], runtime: str, batch_size: int
) -> None:
    """Estimate the poses of a batch."""
    model = load_model(read_export(MODEL_DIR), runtime)
    benchmark(model.predict, frames[0].images[:batch_size])


@pytest.fixture(scope="module")
def walk() -> NDArray[np.float64]:
    """Poses of 8 body parts in 10,000 frames, as those of an animal: each near the last."""
    walk: NDArray[np.float64] = np.random.default_rng(0).normal(size=(10_000, 8, 3))
    walk.cumsum(axis=0, out=walk)
    return walk + 300


@pytest.mark.parametrize("batch_size", [1, 8, 64, 512])
@pytest.mark.parametrize("window_length", [5, 101])
def test_median(
    benchmark: BenchmarkFixture, walk: NDArray[np.float64], window_length: int, batch_size: int
) -> None:
    """Filter 10,000 poses as they come; `test_median_of_scipy` is what it is measured against."""
    benchmark.group = f"median {window_length}"
    batches = list(pose_batches(walk, batch_size, height=1, width=1))

    def filter_all() -> None:
        median = MedianFilter(window_length)
        for batch in batches:
            median.push(batch)
        median.flush()

    benchmark(filter_all)


def test_journal(benchmark: BenchmarkFixture, walk: NDArray[np.float64], tmp_path: Path) -> None:
    """Write 10,000 poses to the journal as they come, and to the disk every 2,000."""
    batches = list(pose_batches(walk, BATCH_SIZE, height=1, width=1))
    job = Job([DEMO_MOVIE], tmp_path)

    def write_all() -> None:
        journal = Journal(
            tmp_path / "poses.journal",
            JournalContent(8, BATCH_SIZE),
            durable_every_s=job.durable_every_s,
            durable_every_frames=job.durable_every_frames,
            damage=lambda: None,
        )
        with journal:
            for batch in batches:
                journal.push(batch)
            journal.flush()

    benchmark(write_all)


@pytest.mark.parametrize("window_length", [5, 101])
def test_median_of_scipy(
    benchmark: BenchmarkFixture, walk: NDArray[np.float64], window_length: int
) -> None:
    """Filter each column as a whole, as DeepLabCut does."""
    benchmark.group = f"median {window_length}"
    columns = walk[..., :2].reshape(len(walk), -1).T

    def filter_all() -> None:
        for column in columns:
            scipy.signal.medfilt(column, window_length)

    benchmark(filter_all)


def test_overlay(benchmark: BenchmarkFixture, poses: list[PoseBatch]) -> None:
    """Draw the dots of a batch."""
    overlay = Overlay(BODY_PARTS, OverlayStyle())
    images = poses[0].frames.images.copy()

    def draw() -> None:
        for image, pose in zip(images, poses[0].poses, strict=True):
            overlay.draw(image, pose)

    benchmark(draw)


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.name)
def test_sink(
    benchmark: BenchmarkFixture,
    poses: list[PoseBatch],
    tmp_path: Path,
    output: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Write one kind of output for the movie."""
    monkeypatch.setattr(job_sinks, "OUTPUTS", (output,))
    movie, job = inspect_movie(DEMO_MOVIE), Job([DEMO_MOVIE], tmp_path)
    reader = open_movie(movie)

    def write() -> None:
        with TemporaryDirectory(dir=tmp_path) as folder:
            directory = output_directory(Path(folder))
            sinks = JobSinks(job, EXPORT, OverlayStyle(), directory)
            with ExitStack() as stack:
                of_run = stack.enter_context(sinks.opened(movie))
                sink = stack.enter_context(sinks.of_movie(0, reader, of_run)[output])
                for batch in poses:
                    sink.write(batch)

    benchmark(write)


@pytest.mark.parametrize("load", [load_model, load_null_model])
def test_whole_run(
    benchmark: BenchmarkFixture, tmp_path: Path, load: Callable[[ModelExport, str], PoseModel]
) -> None:
    """Run everything, loading the model included."""
    benchmark(lambda: run(Job([DEMO_MOVIE], tmp_path, overwrite=True), load=load))
