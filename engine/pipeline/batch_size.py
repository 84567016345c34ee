"""The cost of work on frames, and the batch size at which a model costs least."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np

from engine.inference import PoseModel, usual_batch_size
from engine.machine.system import available_mib, peak_mib
from engine.pipeline.prediction import Prediction
from readers import FrameBatch, FrameStatus

_LARGEST_BATCH = 64
_CLEARLY = 1.1
"""A larger batch must be faster by this factor: it takes more memory and makes frames wait."""
_PROBE_S = 5.0
_MEASURED_S = 0.5


@dataclass(frozen=True)
class Cost:
    """The cost of work on some frames: at least one of them, and more than 0 s on the clock."""

    num_frames: int
    wall_s: float
    core_s: float  # processor time, summed over all cores

    @property
    def frames_per_s(self) -> float:
        """Frames per second on the clock."""
        return self.num_frames / self.wall_s

    @property
    def core_s_per_frame(self) -> float:
        """Seconds of processor time for a frame."""
        return self.core_s / self.num_frames

    def as_json(self) -> dict[str, object]:
        """Give it by plain JSON values."""
        return {
            "num_frames": self.num_frames,
            "frames_per_s": self.frames_per_s,
            "core_ms_per_frame": 1e3 * self.core_s_per_frame,
        }

    def without(self, part: Cost) -> Cost:
        """Take off what `part` of the work costs for as many frames; nothing becomes negative."""
        frames = self.num_frames / part.num_frames
        return Cost(
            self.num_frames,
            max(self.wall_s - frames * part.wall_s, 1e-9),
            max(self.core_s - frames * part.core_s, 0.0),
        )


class Stopwatch:
    """Adds up time and processor time while it runs, of all threads of the process."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.core_s = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run within the block."""
        begun_s, begun_core_s = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall_s += time.perf_counter() - begun_s
            self.core_s += time.process_time() - begun_core_s

    def cost(self, num_frames: int) -> Cost:
        """Give the sums as the cost of so many frames."""
        return Cost(num_frames, max(self.wall_s, 1e-9), self.core_s)


def inference_cost(
    model: PoseModel, image_shape: tuple[int, ...], batch_size: int, measured_s: float
) -> Cost:
    """Measure a model as a run drives it, on noise, after a batch to warm up.

    After `measured_s` seconds no further batch is begun. Raises `MemoryError` where there is none
    for such a batch.
    """
    images = np.random.default_rng(0).integers(0, 256, (batch_size, *image_shape), np.uint8)
    unknown = np.full(batch_size, np.nan)
    status = np.full(batch_size, FrameStatus.DECODED, np.uint8)
    batch = FrameBatch(0, images, unknown, unknown, status)
    prediction = Prediction(model)
    prediction.push(batch)
    prediction.flush()
    watch = Stopwatch()
    num_batches = 0
    with watch.running():
        until_s = time.perf_counter() + measured_s
        while num_batches == 0 or time.perf_counter() < until_s:
            prediction.push(batch)
            num_batches += 1
        prediction.flush()
    return watch.cost(num_batches * batch_size)


def costs_by_batch_size(
    model: PoseModel, image_shape: tuple[int, ...], sizes: Iterable[int], measured_s: float
) -> Iterator[tuple[int, Cost]]:
    """Measure a model at rising batch sizes; see `inference_cost`.

    Raises `MemoryError` also where the next size would find none, by what the last one took.
    """
    needed_mib = 0.0
    for size in sizes:
        if needed_mib > available_mib():
            raise MemoryError(
                f"would need about {needed_mib:.0f} MiB more, {available_mib():.0f} MiB are free"
            )
        before_mib = peak_mib()
        yield size, inference_cost(model, image_shape, size, measured_s)
        needed_mib = 2 * (peak_mib() - before_mib)


def probe_batch_size(model: PoseModel, image_shape: tuple[int, ...]) -> int:
    """Find a batch size that suits a model and images of a shape.

    The usual size is doubled as long as that clearly pays and memory suffices, for some seconds
    at most.
    """
    best = usual = usual_batch_size(image_shape)
    sizes = [usual << n for n in range(_LARGEST_BATCH.bit_length()) if usual << n <= _LARGEST_BATCH]
    until_s = time.monotonic() + _PROBE_S
    fastest: Cost | None = None
    with suppress(MemoryError):
        for size, cost in costs_by_batch_size(model, image_shape, sizes, _MEASURED_S):
            if fastest is not None and cost.frames_per_s < _CLEARLY * fastest.frames_per_s:
                break
            best, fastest = size, cost
            if time.monotonic() > until_s:
                break
    return best


def best_batch_size(costs: Mapping[int, Cost], usual: int) -> int:
    """Choose the usual size unless another is clearly faster; among those, the smallest."""
    fastest = max(cost.frames_per_s for cost in costs.values())
    good = [size for size, cost in costs.items() if _CLEARLY * cost.frames_per_s >= fastest]
    return usual if usual in good else min(good)
