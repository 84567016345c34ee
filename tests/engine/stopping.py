"""Runs that are stopped, as if their process had been killed, and resumed."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import Job, run
from engine.bench.costs import NullModel
from engine.inference import ModelExport, PoseModel

NUM_FRAMES = 50
DROPPED = [0, 7, 22, 23, 24, 25, 40]
NUM_SEEN = NUM_FRAMES - len(DROPPED)
SEGMENT_LENGTH = 12


class PowerCut(BaseException):
    """Stands for the end of the process: nothing in the product may handle it."""


class CountingModel(NullModel):
    """Poses that tell images apart; ends the process, in effect, after so many of them."""

    def __init__(self, body_parts: tuple[str, ...], stop: Callable[[int], None]) -> None:
        super().__init__(body_parts)
        self._stop = stop
        self.num_images = 0

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        self._stop(self.num_images)
        self.num_images += len(images)
        poses = super().predict(images)
        means = images.reshape(len(images), -1).mean(axis=1)[:, np.newaxis]
        poses[..., 0] += means % 7
        poses[..., 2] = means % 1
        return poses


@dataclass
class Loader:
    """Loads a model that stops the run when it has seen so many images; None for never."""

    stop_after: int | None = None
    error: type[BaseException] = PowerCut
    model: CountingModel | None = None

    def __call__(self, export: ModelExport, runtime: str) -> PoseModel:  # noqa: ARG002 -- a loader
        self.model = CountingModel(export.body_parts, self._stop)
        return self.model

    def _stop(self, num_images: int) -> None:
        if self.stop_after is not None and num_images >= self.stop_after:
            raise self.error


def job_for(movies: list[Path], output_dir: Path, **options: Any) -> Job:
    return Job(
        movies, output_dir, **{"trail_points": 5, "window_length": 7, "batch_size": 3} | options
    )


def contents(directory: Path) -> dict[str, bytes]:
    """Give the content of all files, without the times of the run."""
    found = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }
    metadata = json.loads(found["output_metadata.json"])
    for name in ("started", "duration_s"):
        del metadata["posestream"][name]
    found["output_metadata.json"] = json.dumps(metadata).encode()
    return found


def images_seen(job: Job, stop_after: int | None = None) -> int:
    """Run until the model has seen so many images, or to the end; tell how many it saw."""
    loader = Loader(stop_after)
    with contextlib.suppress(PowerCut):
        run(job, load=loader)
    assert loader.model is not None
    return loader.model.num_images


def resume(job: Job) -> int:
    return images_seen(replace(job, resume=True))


@contextlib.contextmanager
def segments_are_short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sinks.labelled_movie.segments.SEGMENT_LENGTH", SEGMENT_LENGTH)
        yield
