"""The cost of inference, by runtime and batch size, and a null model that costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.inference import ModelExport, PoseModel, load_model, read_export
from engine.machine.system import peak_mib
from engine.pipeline.batch_size import Cost, costs_by_batch_size

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
_LONGEST_BATCH_S = 5.0


@dataclass(frozen=True)
class InferenceCost:
    """The cost of one batch size on one runtime, and the peak memory of a process that runs it."""

    runtime: str
    batch_size: int
    cost: Cost
    peak_mib: float


def measure_inference(
    tell: Callable[[InferenceCost], None],
    folder: Path,
    runtime: str,
    image_shape: tuple[int, ...],
    sizes: Sequence[int],
    measured_s: float,
) -> str:
    """Measure a model at rising batch sizes.

    Parameters
    ----------
    tell
        Is told each result when it is there.
    folder
        Of the export.
    runtime
        What runs it.
    image_shape
        Height, width and channels.
    sizes
        Batch sizes, rising.
    measured_s
        Seconds to spend on each size.

    Returns
    -------
    str
        Why larger sizes were not tried; empty if all were.
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
