"""How fast each stage is alone, on the built-in movie: ``make bench``."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from engine import Job, run
from engine.builtin import DEMO_MOVIE, MODEL_DIR
from engine.inference import load_model, read_export
from engine.median import MedianFilter
from engine.outputs import OutputDirectory
from readers import FrameBatch, inspect_movie, open_movie
from sinks import LabelledMovieSink, OverlayStyle, PoseBatch, PoseEstimates, PreviewSink, Sink

BODY_PARTS = read_export(MODEL_DIR).body_parts
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
    """Decode and convert the movie."""

    def decode() -> None:
        with open_movie(inspect_movie(DEMO_MOVIE)) as reader:
            images = np.empty((BATCH_SIZE, *reader.image_shape), np.uint8)
            while reader.read(images):
                pass

    benchmark(decode)


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_inference(benchmark: BenchmarkFixture, frames: list[FrameBatch], runtime: str) -> None:
    """Estimate the poses of a batch."""
    model = load_model(read_export(MODEL_DIR), runtime)
    benchmark(model.predict, frames[0].images)


@pytest.mark.parametrize("window_length", [5, 101])
def test_median(benchmark: BenchmarkFixture, poses: list[PoseBatch], window_length: int) -> None:
    """Filter the movie's poses."""

    def filter_all() -> None:
        median = MedianFilter(window_length)
        for batch in poses:
            median.push(batch)
        median.flush()

    benchmark(filter_all)


def labelled_movie(outputs: OutputDirectory) -> Sink:
    """Draw and encode."""
    info = inspect_movie(DEMO_MOVIE)
    return LabelledMovieSink(
        outputs.labelled_movie(0),
        width=info.width,
        height=info.height,
        frame_rate=info.frame_rate,
        body_parts=BODY_PARTS,
        style=OverlayStyle(),
    )


def pose_estimates(outputs: OutputDirectory) -> Sink:
    """Write the .h5."""
    return PoseEstimates(outputs.pose_estimates(0), scorer="s", body_parts=BODY_PARTS, notes={})


def previews(outputs: OutputDirectory) -> Sink:
    """Gather and draw the four pictures."""
    return PreviewSink(
        outputs.previews(0),
        body_parts=BODY_PARTS,
        p_cutoff=0.6,
        color_map="rainbow",
        frame_width=640,
        frame_height=480,
    )


@pytest.mark.parametrize("make_sink", [labelled_movie, pose_estimates, previews])
def test_sink(
    benchmark: BenchmarkFixture,
    poses: list[PoseBatch],
    tmp_path: Path,
    make_sink: Callable[[OutputDirectory], Sink],
) -> None:
    """Write one kind of output for the movie."""

    def write() -> None:
        with make_sink(OutputDirectory(tmp_path)) as sink:
            for batch in poses:
                sink.write(batch)

    benchmark(write)


def test_whole_run(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Run everything, loading the model included."""
    benchmark(lambda: run(Job([DEMO_MOVIE], tmp_path, overwrite=True)))
