"""What the outputs of a run tell of it when it has ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.untrusted.small_files import read_limited

_MOST_BYTES = 2**26
"""A series of a hundred thousand movies may have as many."""


@dataclass(frozen=True)
class FinishedRun:
    """A run whose outputs are in the output directory.

    Attributes
    ----------
    identity
        All that its outputs depend on, from `engine.run_folder.identity.identify`.
    warnings
        What it warned of.
    is_damaged
        Whether a movie was cut off or a frame could not be decoded.
    is_live
        Whether it followed movies while they were recorded.
    """

    identity: dict[str, Any]
    warnings: tuple[str, ...]
    is_damaged: bool
    is_live: bool


def read_finished_run(metadata: Path) -> FinishedRun | None:
    """Read what a run's metadata tell of it; None where there are none that tell enough."""
    try:
        told: dict[str, Any] = json.loads(read_limited(metadata, _MOST_BYTES))["posestream"]
        return FinishedRun(
            dict(told["identity"]),
            tuple(map(str, told["warnings"])),
            bool(told["is_damaged"]),
            bool(told["is_live"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
