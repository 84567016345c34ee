"""How fast a model is on this machine, by batch size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.inference import PoseModel
from engine.memory import available_mib, peak_mib
from engine.prediction import Prediction
from readers import FrameBatch, FrameStatus

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
_WORTH_IT = 1.05
"""A larger batch has to be faster by this factor: it takes more memory and waits longer."""
_PROBE_S = 5.0
_MEASURED_S = 0.5


@dataclass(frozen=True)
class Cost:
    """What work on some frames has cost.

    Attributes
    ----------
    num_frames
        Frames that were worked on.
    wall_s
        Seconds on the clock.
    core_s
        Seconds of processor time, summed over all cores.
    """

    num_frames: int
    wall_s: float
    core_s: float

    @property
    def frames_per_s(self) -> float:
        """Frames per second on the clock."""
        return self.num_frames / self.wall_s

    @property
    def core_s_per_frame(self) -> float:
        """Seconds of processor time for a frame."""
        return self.core_s / self.num_frames


def inference_cost(
    model: PoseModel, image_shape: tuple[int, ...], batch_size: int, measured_s: float
) -> Cost:
    """Measure a model as a run drives it, on grey noise, after a batch to warm up.

    Parameters
    ----------
    model
        A loaded model.
    image_shape
        Height, width and channels.
    batch_size
        Images a batch.
    measured_s
        Seconds after which no further batch is begun.

    Raises
    ------
    MemoryError
        If the runtime finds no memory for such a batch.
    """
    images = np.random.default_rng(0).integers(0, 256, (batch_size, *image_shape), np.uint8)
    missing = np.full(batch_size, np.nan)
    batch = FrameBatch(
        0, images, missing, missing, np.full(batch_size, FrameStatus.DECODED, np.uint8)
    )
    prediction = Prediction(model)
    prediction.push(batch)
    prediction.flush()
    begun_s, begun_core_s = time.perf_counter(), time.process_time()
    num_batches = 0
    while num_batches == 0 or time.perf_counter() - begun_s < measured_s:
        prediction.push(batch)
        num_batches += 1
    prediction.flush()
    wall_s, core_s = time.perf_counter() - begun_s, time.process_time() - begun_core_s
    return Cost(num_batches * batch_size, wall_s, core_s)


def probe_batch_size(
    model: PoseModel, image_shape: tuple[int, ...], sizes: Sequence[int] = BATCH_SIZES
) -> int:
    """Find a batch size that suits a model: the smallest that no larger one clearly beats.

    Sizes are tried in order for some seconds, until one is not faster, or would not fit into the
    memory that is free.
    """
    started_s = time.monotonic()
    costs: dict[int, Cost] = {}
    for size in sizes:
        before_mib = peak_mib()
        try:
            costs[size] = inference_cost(model, image_shape, size, _MEASURED_S)
        except MemoryError:
            break
        grown_mib = peak_mib() - before_mib
        is_too_large = 2 * grown_mib > available_mib()
        if is_too_large or time.monotonic() - started_s > _PROBE_S:
            break
        if fastest_batch_size(costs) != size:
            break
    return fastest_batch_size(costs) if costs else sizes[0]


def fastest_batch_size(costs: dict[int, Cost]) -> int:
    """Choose the smallest size whose speed is within 5 % of the fastest."""
    fastest = max(cost.frames_per_s for cost in costs.values())
    return min(size for size, cost in costs.items() if cost.frames_per_s * _WORTH_IT >= fastest)
