"""A model that is ready for windows."""

from __future__ import annotations

from engine.follow.settings import follow_settings
from engine.inference import ModelExport, PoseModel, load_model
from engine.job.job import Job


def load_for(job: Job, export: ModelExport, runtime: str, *, is_prompt: bool = False) -> PoseModel:
    """Load a model for a job: for whole frames alone, or for windows too; see `load_model`."""
    follow = follow_settings(job, export)
    if follow is None:
        return load_model(export, runtime, is_prompt=is_prompt)
    batch_size = job.batch_size if isinstance(job.batch_size, int) else follow.batch_size
    return load_model(
        export,
        runtime,
        is_prompt=is_prompt,
        num_sizes=1 + follow.most_sizes,
        most_ahead=2 * batch_size,  # one batch, and the one before
        continues_windows=follow.is_heavy,
    )
