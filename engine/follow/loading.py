"""A model that is ready for windows."""

from __future__ import annotations

from collections.abc import Sequence

from engine.follow.settings import follow_settings
from engine.inference import (
    TRIED_SHAPE,
    ModelExport,
    PoseModel,
    load_model,
    usual_batch_size,
)
from engine.job.job import Job


def load_for(
    job: Job,
    export: ModelExport,
    runtime: str,
    *,
    image_shapes: Sequence[tuple[int, ...]] = (),
    is_prompt: bool = False,
) -> PoseModel:
    """Load a model for a job: for whole frames alone, or for windows too; see `load_model`.

    Parameters
    ----------
    job, export, runtime
        What to do, with which model on which runtime.
    image_shapes
        Height, width and channels of the frames that will come, where they are known.
    is_prompt
        See `Loading`.
    """
    follow = follow_settings(job, export)
    shapes = image_shapes or [TRIED_SHAPE]
    given = job.batch_size if isinstance(job.batch_size, int) else None
    if follow is None:
        batch_size = given or (1 if is_prompt else max(map(usual_batch_size, shapes)))
        return load_model(
            export, runtime, image_shapes=shapes, batch_size=batch_size, is_prompt=is_prompt
        )
    batch_size = given or follow.batch_size
    return load_model(
        export,
        runtime,
        image_shapes=shapes,
        batch_size=batch_size,
        is_prompt=is_prompt,
        num_sizes=1 + follow.most_sizes,
        most_ahead=2 * batch_size,  # one batch, and the one before
        continues_windows=follow.is_heavy,
    )
