"""The place of a run: its folder, locked against other runs, and the traces of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import Interrupted, RunError
from engine.job.job import Job
from engine.machine.system import naming_lack_of_memory
from engine.run_folder.identity import first_difference
from engine.run_folder.output_names import OutputDirectory
from engine.run_folder.unfinished import RunRecord, UnfinishedRun
from engine.untrusted.small_files import SettingsError, read_json
from readers import InputError, MovieInfo
from sinks import OutputError

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


class Workplace:
    """The output directory of a job, and the folder within it where the outputs are made.

    Attributes
    ----------
    outputs
        Where outputs end up.
    folder
        Where they grow until all of them are whole.
    earlier
        The earlier run that the job may resume.

    Raises
    ------
    InputError
        If another run works there, or an unfinished run is in the way.
    """

    def __init__(self, job: Job, outputs: OutputDirectory) -> None:
        self._job = job
        self.outputs = outputs
        self.folder = UnfinishedRun(outputs)
        self.earlier = find_earlier_run(job, self.folder, self.outputs.metadata)

    def check(self, movies: Sequence[MovieInfo]) -> None:
        """Check, leaving nothing behind, that outputs can be written.

        Raises
        ------
        InputError
            If there are results that may not be overwritten, or the directory cannot be written.
        """
        self.outputs.check_apart(self._job.inputs)
        may_replace = self._job.overwrite or self.earlier.allows_results
        self.outputs.check(movies, overwrite=may_replace)

    @contextmanager
    def working(self, movies: Sequence[MovieInfo]) -> Iterator[None]:
        """Hold the folder; take it away again if nothing came of the run.

        Raises
        ------
        RunError
            If an output cannot be written any more, or a movie cannot be used once work has begun.
        Interrupted
            After an interrupt, where something is kept.
        """
        made = self.outputs.make()
        try:
            with _ending_run(OutputError), self.folder.made(), self.folder.locked():
                try:
                    # Under the lock once more: another run may have been faster.
                    if self.earlier.unfinished is None:
                        self.outputs.check(movies, overwrite=self._job.overwrite)
                    with _ending_run(OutputError, InputError), naming_lack_of_memory():
                        yield
                except BaseException as error:
                    self._give_up(error)
                    raise
        except BaseException:
            with suppress(OSError):  # not empty: a run can go on with what is there
                for path in made:
                    path.rmdir()
            raise

    def go_on(self, written: Sequence[Path] = ()) -> RunRecord | None:
        """Go on with the unfinished run, if there is one, which made or will make `written`.

        Returns
        -------
        RunRecord
            Its record: finished only if all outputs are as it made them.
        """
        record = self.earlier.unfinished
        if record is None or (record.is_finished and self.folder.find_changed(written) is None):
            return record
        return self.folder.reopen()

    def confirm(self, written: Sequence[Path]) -> None:
        """Confirm that an earlier run has made the outputs; take away what its end has left.

        Raises
        ------
        InputError
            If an output is not there any more.
        """
        gone = next((path for path in written if not path.is_file()), None)
        if gone is not None:
            raise InputError(
                f"output directory {self.outputs.path}: holds the results of this run, but "
                f"{gone.name} is gone; make all of them again with --overwrite"
            )
        if self.folder.path.exists():
            with suppress(OSError, OutputError), self.folder.made(), self.folder.locked():
                self.folder.remove()

    def begin(self, identity: dict[str, Any], *, is_live: bool = False) -> RunRecord:
        """Clear the folder, and write a new run's record there."""
        self.folder.clear()
        record = RunRecord(
            identity=identity,
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
            overwrite=self._job.overwrite,
            is_live=is_live,
        )
        self.folder.write_record(record)
        return record

    def move_outputs(self, written: Sequence[Path]) -> None:
        """Rename the outputs, all of which are whole now, into the output directory.

        Raises
        ------
        RunError
            If one is not as it was made.
        """
        self.folder.check_held()
        changed = self.folder.find_changed(written)
        if changed is not None:
            raise RunError(f"{self.folder.path / changed.name}: was removed or changed by others")
        if self.folder.outputs.metadata.exists():
            # An earlier run's would describe poses that are no longer there.
            self.outputs.metadata.unlink(missing_ok=True)
        self.folder.move_outputs(written)
        self.outputs.remove_results_except(written)

    def _give_up(self, error: BaseException) -> None:
        try:
            self.folder.check_held()
            num_frames = self.folder.num_frames
        except (OSError, OutputError):  # a disk that fails, or another run's folder: it is told
            return
        if num_frames == 0:
            with suppress(OSError, OutputError):
                self.folder.remove()
            return
        hint = f"{num_frames:,} frames are done and kept; go on with --resume"
        if isinstance(error, RunError):
            raise RunError(f"{error}; {hint}") from error
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"interrupted; {hint}") from error


@contextmanager
def _ending_run(*errors: type[Exception]) -> Iterator[None]:
    """End the run with such an error, as of an output that cannot be written any more."""
    try:
        yield
    except errors as error:
        raise RunError(str(error)) from error
