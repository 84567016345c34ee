"""The place of a run: its folder, locked against other runs, and what earlier runs left there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import Interrupted, RunError
from engine.job.job import Job
from engine.machine.memory import naming_lack_of_memory
from engine.run_folder.earlier import find_earlier_run
from engine.run_folder.output_names import OutputDirectory
from engine.run_folder.unfinished import RunRecord, UnfinishedRun
from readers import InputError, MovieInfo
from sinks import OutputError


class Workplace:
    """The output directory of a job, and the folder within it where the outputs are made.

    Attributes
    ----------
    outputs
        Where outputs end up.
    folder
        Where they grow until all of them are whole.
    earlier
        What the job may go on with.

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
            with _writable(), self.folder.made(), self.folder.locked():
                try:
                    # Under the lock once more: another run may have been faster.
                    if self.earlier.unfinished is None:
                        self.outputs.check(movies, overwrite=self._job.overwrite)
                    with _begun():
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
            What it is: finished only if all outputs are as it made them.
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
        """Note what the run is, in the folder, and nothing else stays there."""
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
def _writable() -> Iterator[None]:
    """Let an output that cannot be written any more end the run."""
    try:
        yield
    except OutputError as error:
        raise RunError(str(error)) from error


@contextmanager
def _begun() -> Iterator[None]:
    """Once work has begun, a movie or a file that cannot be used is no longer bad input."""
    try:
        with _writable(), naming_lack_of_memory():
            yield
    except InputError as error:
        raise RunError(str(error)) from error
