"""From movies to poses: the job, the stages, the runtimes and the pipeline between them."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.errors import Interrupted, RunError
    from engine.job.job import Job
    from engine.run_folder.identity import MovieResult
    from engine.runs.live import live
    from engine.runs.run import RunResult, run
    from readers import CropRectangle, InputError

__all__ = [
    "CropRectangle",
    "InputError",
    "Interrupted",
    "Job",
    "MovieResult",
    "RunError",
    "RunResult",
    "live",
    "run",
]

_HOMES = {
    "CropRectangle": "readers",
    "InputError": "readers",
    "Interrupted": "engine.errors",
    "Job": "engine.job.job",
    "MovieResult": "engine.run_folder.identity",
    "RunError": "engine.errors",
    "RunResult": "engine.runs.run",
    "live": "engine.runs.live",
    "run": "engine.runs.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the libraries behind them load for seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    with suppress(Exception):  # a caller's own settings, which modules below would pass over
        import_module("matplotlib")
    return getattr(import_module(_HOMES[name]), name)
