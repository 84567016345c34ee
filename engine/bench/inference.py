"""The cost of inference, by runtime and batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.inference import load_model, read_export
from engine.machine.cost import Cost
from engine.machine.memory import peak_mib
from engine.pipeline.batch_size import costs_by_batch_size

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
