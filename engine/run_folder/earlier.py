"""An earlier run's traces in the output directory, and the rules for going on with its work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.job.job import Job
from engine.run_folder.identity import first_difference
from engine.run_folder.unfinished import RunRecord, UnfinishedRun
from engine.untrusted.small_files import SettingsError, read_json
from readers import InputError, MovieInfo

_MOST_METADATA_BYTES = 2**26
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
        Whether its movies were read while they were recorded.
    """

    identity: dict[str, Any]
    warnings: tuple[str, ...]
    is_damaged: bool
    is_live: bool


def read_finished_run(metadata: Path) -> FinishedRun | None:
    """Read a run's metadata; None where there are none, or where they lack something."""
    try:
        told: dict[str, Any] = read_json(metadata, _MOST_METADATA_BYTES)["posestream"]
        return FinishedRun(
            dict(told["identity"]),
            tuple(map(str, told["warnings"])),
            bool(told["is_damaged"]),
            bool(told["is_live"]),
        )
    except (OSError, SettingsError, ValueError, LookupError, TypeError):
        return None


@dataclass(frozen=True)
class EarlierRun:
    """The run that is to be resumed: a stopped one, or one with all outputs in place, or none."""

    unfinished: RunRecord | None = None
    finished: FinishedRun | None = None

    @property
    def is_live(self) -> bool:
        """Whether its movies were read while they were recorded."""
        earlier = self.unfinished or self.finished
        return earlier is not None and earlier.is_live

    @property
    def allows_results(self) -> bool:
        """Whether results in the output directory are its own, or were to be replaced by it."""
        if self.unfinished is None:
            return self.finished is not None
        # One that ended between two moves has results of its own in place.
        return self.unfinished.overwrite or self.unfinished.is_finished

    def check(
        self, output_dir: Path, identity: dict[str, Any], movies: Sequence[MovieInfo] | None
    ) -> None:
        """Raise `InputError` if it did something else than is to be done now.

        `movies` are those of this run, None while they are not known yet.
        """
        if self.unfinished is not None:
            before = self.unfinished.identity
            if self.is_live:  # it may have ended before it saw all movies
                num_seen = 0 if movies is None else len(before["movies"])
                before, identity = _with_movies(before, num_seen), _with_movies(identity, num_seen)
                movies = (movies or [])[:num_seen]
            difference = first_difference(before, identity, movies or [])
            if difference is not None:
                raise InputError(
                    f"output directory {output_dir}: its unfinished run was begun with "
                    f"{difference}; give the same to go on, or start anew with --overwrite"
                )
        elif self.finished is not None:
            difference = first_difference(self.finished.identity, identity, movies or [])
            if difference is not None:
                raise InputError(
                    f"output directory {output_dir}: already holds the results of a run with "
                    f"{difference}; choose another, or overwrite them"
                )


def _with_movies(identity: dict[str, Any], num_movies: int) -> dict[str, Any]:
    return {**identity, "movies": identity["movies"][:num_movies]}


def find_earlier_run(job: Job, folder: UnfinishedRun, metadata: Path) -> EarlierRun:
    """Find the run that a job may go on with, by its folder or, if it has ended, its metadata.

    Raises
    ------
    InputError
        If there is an unfinished run, and the job says neither to resume nor to overwrite it, or
        if another process works on it.
    """
    folder.check()
    if folder.exists and not job.overwrite:
        if not job.resume:
            raise InputError(
                f"output directory {job.output_dir}: holds an unfinished run "
                f"({folder.num_frames:,} frames are done); go on with --resume, or start anew "
                "with --overwrite"
            )
        return EarlierRun(unfinished=folder.record())
    return EarlierRun(finished=read_finished_run(metadata) if job.resume else None)
