"""The place of a run: its folder, locked against other runs, and the traces of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import Interrupted, RunError, ending_run
from engine.job.job import Job
from engine.machine.system import naming_lack_of_memory
from engine.run_folder.identity import first_difference
from engine.run_folder.output_names import OutputDirectory
from engine.run_folder.unfinished import RunRecord, UnfinishedRun
from engine.untrusted.small_files import SettingsError, read_json
from readers import InputError, MovieInfo
from sinks import OutputError, flush_folder, output_errors

_MOST_METADATA_BYTES = 2**26
"""A series of a hundred thousand movies may have as many."""


@dataclass(frozen=True)
class FinishedRun:
    """A run whose outputs are in the output directory; see `RunRecord` and `RunResult`."""

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


class Workplace:
    """The place where `outputs` end up, the `folder` where they grow, and the earlier run there.

    That is `unfinished` where it was stopped, `finished` where it has all outputs in place; None
    where there is none, or the job does not resume it.

    Raises an `InputError` if another run works there, or there is an unfinished run and the job
    says neither to resume nor to overwrite it.
    """

    def __init__(self, job: Job, outputs: OutputDirectory) -> None:
        self._job = job
        self.outputs = outputs
        self.folder = UnfinishedRun(outputs)
        self.folder.check()
        self.unfinished: RunRecord | None = None
        self.finished: FinishedRun | None = None
        if self.folder.exists and not job.overwrite:
            if not job.resume:
                raise InputError(
                    f"output directory {job.output_dir}: holds an unfinished run "
                    f"({self.folder.num_frames:,} frames are done); go on with --resume, or start "
                    "anew with --overwrite"
                )
            self.unfinished = self.folder.record()
        elif job.resume:
            self.finished = read_finished_run(outputs.metadata)

    @property
    def was_live(self) -> bool:
        """Whether the earlier run's movies were read while they were recorded."""
        earlier = self.unfinished or self.finished
        return earlier is not None and earlier.is_live

    def check(self, movies: Sequence[MovieInfo]) -> None:
        """Check, leaving nothing behind, that outputs can be written.

        Raises an `InputError` if there are results that may not be overwritten, or the directory
        cannot be written.
        """
        self.outputs.check_apart(self._job.inputs)
        may_replace = self._job.overwrite or self.finished is not None
        if self.unfinished is not None:
            # One that ended between two moves has results of its own in place.
            may_replace = may_replace or self.unfinished.overwrite or self.unfinished.is_finished
        self.outputs.check(movies, overwrite=may_replace)

    def check_same(self, identity: dict[str, Any], movies: Sequence[MovieInfo] | None) -> None:
        """Raise `InputError` if the earlier run did something else than is to be done now.

        `movies` are those of this run, None while they are not known yet.
        """
        earlier, seen = self.unfinished or self.finished, movies or []
        if earlier is None:
            return
        before, here = earlier.identity, f"output directory {self._job.output_dir}"
        if self.unfinished is not None and earlier.is_live:  # it may have ended before all movies
            num_seen = 0 if movies is None else len(before["movies"])
            before, identity = (
                {**one, "movies": one["movies"][:num_seen]} for one in (before, identity)
            )
            seen = seen[:num_seen]
        difference = first_difference(before, identity, seen)
        if difference is not None and self.unfinished is not None:
            raise InputError(
                f"{here}: its unfinished run was begun with {difference}; give the same to go on, "
                "or start anew with --overwrite"
            )
        if difference is not None:
            raise InputError(
                f"{here}: already holds the results of a run with {difference}; choose another, "
                "or overwrite them"
            )

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
            with ending_run(OutputError), self.folder.made(), self.folder.locked():
                try:
                    # Under the lock once more: another run may have been faster.
                    if self.unfinished is None:
                        self.outputs.check(movies, overwrite=self._job.overwrite)
                    with ending_run(OutputError, InputError), naming_lack_of_memory():
                        yield
                except BaseException as error:
                    hint = self.folder.give_up()
                    if hint is not None and isinstance(error, RunError):
                        raise RunError(f"{error}; {hint}") from error
                    if hint is not None and isinstance(error, KeyboardInterrupt):
                        raise Interrupted(f"interrupted; {hint}") from error
                    raise
        except BaseException:
            with suppress(OSError):  # not empty: a run can go on with what is there
                for path in made:
                    path.rmdir()
            raise

    def begin(
        self, identity: dict[str, Any], written: Sequence[Path] = (), *, is_live: bool = False
    ) -> RunRecord:
        """Go on with the unfinished run, which made or will make `written`, or begin a new one.

        The record that it gives is finished only if all outputs are as that run made them.
        """
        record = self.unfinished
        if record is None:
            self.folder.clear()
            record = RunRecord(
                identity=identity,
                started=datetime.now(UTC).isoformat(timespec="milliseconds"),
                overwrite=self._job.overwrite,
                is_live=is_live,
            )
            self.folder.write_record(record)
        elif not record.is_finished or self.folder.find_changed(written) is not None:
            record = self.folder.reopen()
        return record

    def confirm(self, written: Sequence[Path]) -> None:
        """Confirm that an earlier run has made the outputs; take away what its end has left.

        Raises an `InputError` if an output is not there any more.
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

    def move_outputs(self, written: Sequence[Path]) -> None:
        """Rename the outputs, all of which are whole now, into the output directory.

        Raises a `RunError` if one is not as it was made.
        """
        self.folder.check_held()
        changed = self.folder.find_changed(written)
        if changed is not None:
            raise RunError(f"{self.folder.path / changed.name}: was removed or changed by others")
        if self.folder.outputs.metadata.exists():
            # An earlier run's would describe poses that are no longer there.
            self.outputs.metadata.unlink(missing_ok=True)
        self.folder.check_held()
        for path in written:
            staged = self.folder.path / path.name
            if staged.exists():  # it was not renamed before
                with output_errors(path):
                    staged.replace(path)
        with output_errors(self.outputs.path):
            flush_folder(self.outputs.path)
        self.outputs.remove_results_except(written)
