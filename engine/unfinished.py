"""The folder of a run that works or was stopped, inside its output directory."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine.journal import read_journal
from engine.outputs import UNFINISHED, OutputDirectory
from engine.settings import read_limited
from readers import InputError
from sinks import flush_folder, output_errors, whole_file
from sinks.files import remove

_MOST_RECORD_BYTES = 2**24


@dataclass(frozen=True)
class RunRecord:
    """What an unfinished run is.

    Attributes
    ----------
    identity
        All that its outputs depend on, from `engine.identity.identify`.
    started
        When it was begun, ISO 8601.
    overwrite
        Whether it may replace results that are in the output directory.
    is_finished
        Whether its outputs are all whole, and only have to be moved into place.
    is_live
        Whether it followed movies while they were recorded.
    """

    identity: dict[str, Any]
    started: str
    overwrite: bool
    is_finished: bool = False
    is_live: bool = False


class UnfinishedRun:
    """Where a run's files grow until all of them are whole.

    It holds a lock, a record of what the run is, a journal for each movie, and the outputs as
    far as they have come. When the last output is whole, all of them are renamed into the
    output directory; a run that is stopped between two of these renames can do the rest later.

    Parameters
    ----------
    output_dir
        The output directory.
    """

    def __init__(self, output_dir: Path) -> None:
        self.path = output_dir / UNFINISHED
        self.outputs = OutputDirectory(self.path)
        self._output_dir = output_dir
        self._record_path = self.path / "run.json"
        self._lock = FileLock(self.path / "lock", blocking=False)
        self._owner_path = self.path / "owner"

    def journal(self, movie_number: int) -> Path:
        """Path of the journal of one movie."""
        return self.path / f"poses.{movie_number}.journal"

    def live_journal(self, movie_number: int) -> Path:
        """Path of the journal of one movie that was followed while it was recorded."""
        return self.path / f"live.{movie_number}.journal"

    def calibration(self, movie_number: int) -> Path:
        """Path of what was measured for following the animal of one movie."""
        return self.path / f"calibration.{movie_number}.json"

    @property
    def num_frames(self) -> int:
        """Frames that are in its journals."""
        num_frames: dict[str, int] = {}
        for path in self.path.glob("*.journal"):
            content = read_journal(path)
            if content is not None:
                movie = path.name.split(".", 1)[1]  # of a live run it may have two
                num_frames[movie] = max(num_frames.get(movie, 0), content.num_frames)
        return sum(num_frames.values())

    @property
    def exists(self) -> bool:
        """Whether there is a run that can be gone on with."""
        return os.path.isfile(self._record_path)  # noqa: PTH113 -- False also for names that no system takes

    def check(self) -> None:
        """Check that nobody else works here, and that nothing here leads elsewhere.

        Raises
        ------
        InputError
            If another run does, or a link was put into the folder.
        """
        if not os.path.lexists(self.path):
            return
        if self.path.is_symlink() or not self.path.is_dir():
            raise InputError(f"{self.path}: must be a folder that posestream made; remove it")
        lock_path = Path(self._lock.lock_file)
        if not lock_path.exists() and any(self.path.iterdir()):
            raise InputError(f"{self.path}: must be a folder that posestream made; remove it")
        for path in self.path.rglob("*"):
            if path.is_symlink():
                raise InputError(f"{path}: is a link, which posestream never makes; remove it")
        with self.locked():
            pass

    @contextmanager
    def made(self) -> Iterator[None]:
        """Make the folder; take it away again if nothing is in it at the end."""
        with output_errors(self.path):
            self.path.mkdir(exist_ok=True)
        try:
            yield
        finally:
            with suppress(OSError):
                self.path.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other runs out.

        The system frees the lock when a process ends, however it ends.

        Raises
        ------
        InputError
            If another run works here.
        """
        try:
            self._lock.acquire()
        except Timeout:
            raise InputError(
                f"output directory {self._output_dir}: another run works on it{self._owner()}; "
                "choose another directory, or wait for that run"
            ) from None
        except OSError as error:
            raise InputError(
                f"output directory {self._output_dir}: cannot be written to ({error.strerror}); "
                "choose another"
            ) from error
        try:
            with suppress(OSError):  # of a full disk: it is there for a message alone
                self._owner_path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
            yield
        finally:
            with suppress(OSError):
                self._owner_path.unlink()
            self._lock.release()

    def _owner(self) -> str:
        try:
            return f" ({self._owner_path.read_text()[:100]})"
        except (OSError, ValueError):
            return ""

    def record(self) -> RunRecord:
        """Read what the run is.

        Raises
        ------
        InputError
            If the record cannot be read.
        """
        try:
            return RunRecord(**json.loads(read_limited(self._record_path, _MOST_RECORD_BYTES)))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise InputError(
                f"{self._record_path}: cannot be read, so that nobody can go on with this run; "
                "start anew with --overwrite"
            ) from error

    def write_record(self, record: RunRecord) -> None:
        """Note what the run is, durably."""
        with output_errors(self._record_path), whole_file(self._record_path) as temporary:
            temporary.write_text(json.dumps(asdict(record), indent=4) + "\n", encoding="utf-8")

    def clear(self) -> None:
        """Remove all that is here, except the lock; the record last, which tells what it was."""
        with output_errors(self.path):
            self._clear()

    def _clear(self) -> None:
        kept = (Path(self._lock.lock_file), self._owner_path, self._record_path)
        for path in self.path.iterdir():
            if path in kept:
                continue
            remove(path)
        self._record_path.unlink(missing_ok=True)

    def keep_live_journals(self, record: RunRecord) -> None:
        """Remove all but a live run's journals, with which its outputs can be made again."""
        with output_errors(self.path):
            for path in (*self.path.glob("*.journal"), *self.path.glob("*.settled")):
                if not path.name.startswith("live."):
                    path.unlink()
            for path in self.path.iterdir():
                if path.is_dir():
                    remove(path)
        self.write_record(replace(record, overwrite=True, is_finished=False))

    def move_outputs(self, outputs: Iterable[Path]) -> None:
        """Rename what is whole into the output directory; what was renamed before is there."""
        for path in outputs:
            staged = self.path / path.name
            if staged.exists():
                with output_errors(path):
                    staged.replace(path)
        with output_errors(self._output_dir):
            flush_folder(self._output_dir)

    def remove(self) -> None:
        """Remove all that is here; who waits for the lock finds that its file is gone."""
        self.clear()
        with suppress(OSError):  # where the system does not remove a file that is in use
            Path(self._lock.lock_file).unlink()
