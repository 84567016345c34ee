"""The folder of an unfinished run, inside its output directory."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine.errors import RunError
from engine.run_folder.journal import JournalContent, read_journal
from engine.run_folder.output_names import UNFINISHED, OutputDirectory
from engine.untrusted.small_files import SettingsError, read_json
from readers import InputError
from sinks import OutputError, flush_folder, keep_segments, output_errors, whole_file
from sinks.files import check_same_file, remove

_MOST_RECORD_BYTES = 2**24


@dataclass(frozen=True)
class RunRecord:
    """The description of an unfinished run.

    Attributes
    ----------
    identity
        All that its outputs depend on, from `engine.run_folder.identity.identify`.
    started
        When it was begun, ISO 8601.
    overwrite
        Whether it may replace results.
    is_finished
        Whether its outputs only have to be moved into place.
    is_live
        Whether its movies were read while they were recorded.
    outputs
        Size and checksum of outputs that are whole, by their names.
    """

    identity: dict[str, Any]
    started: str
    overwrite: bool
    is_finished: bool = False
    is_live: bool = False
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def tells_of(self, path: Path) -> bool:
        """Tell whether an output is as it was noted."""
        if path.name not in self.outputs or path.is_symlink() or not path.is_file():
            return False
        return _described(path) == self.outputs[path.name]


class UnfinishedRun:
    """The folder in which a run's files grow until all of them are whole.

    It holds a lock, a record of what the run is, a journal for each movie, and the outputs as
    far as they have come. When the last output is whole, all of them are renamed into the
    output directory; a run that is stopped between two of these renames can do the rest later.

    Other programs can change or remove these files at any time. An output whose size or checksum
    is not as noted is made again. If the folder itself was replaced, the run ends and leaves the
    new one as it is.
    """

    def __init__(self, outputs: OutputDirectory) -> None:
        self.path = outputs.path / UNFINISHED
        self.outputs = replace(outputs, path=self.path)
        self._results, self._output_dir = outputs, outputs.path
        self._record_path = self.path / "run.json"
        self._lock = FileLock(self.path / "lock", blocking=False)
        self._lock_status: os.stat_result | None = None
        self._owner_path = self.path / "owner"
        self._record: RunRecord | None = None

    def journal(self, movie_number: int) -> Path:
        """Path of the journal of one movie."""
        return self.path / f"poses.{movie_number}.journal"

    def calibration(self, movie_number: int) -> Path:
        """Path of what was measured for following the animal of one movie."""
        return self.path / f"calibration.{movie_number}.json"

    @property
    def num_frames(self) -> int:
        """Frames that are in its journals."""
        return sum(content.num_frames for content in self.journals())

    def journals(self) -> list[JournalContent]:
        """Read what its journals hold, in no order."""
        found = map(read_journal, self.path.glob("*.journal"))
        return [content for content in found if content is not None]

    @property
    def exists(self) -> bool:
        """Whether there is a run that can be resumed."""
        return os.path.isfile(self._record_path)  # noqa: PTH113 -- False also for names that no system takes

    def check(self) -> None:
        """Check that no other run works here, and that nothing here leads elsewhere.

        Raises an `InputError` if one does, or a link was put into the folder.
        """
        if not os.path.lexists(self.path):
            return
        if self.path.is_symlink() or not self.path.is_dir():
            raise InputError(f"{self.path}: must be a folder that posestream made; remove it")
        if not Path(self._lock.lock_file).exists():  # a run that was killed at its very end?
            left = [path.name for path in self.path.iterdir()]
            if left and (left != [self._owner_path.name] or "(process " not in self._owner()):
                raise InputError(f"{self.path}: must be a folder that posestream made; remove it")
        for path in self.path.rglob("*"):
            if path.is_symlink():
                raise InputError(f"{path}: is a link, which posestream never makes; remove it")
        with self.locked():
            pass

    @contextmanager
    def made(self) -> Iterator[None]:
        """Make the folder, durably; take it away again if nothing is in it at the end."""
        with output_errors(self.path):
            self.path.mkdir(exist_ok=True)
            flush_folder(self._output_dir)
        try:
            yield
        finally:
            with suppress(OSError):
                self.path.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other runs out.

        The system frees the lock when a process ends, however it ends.

        Raises an `InputError` if another run works here.
        """
        with self._results.errors():
            try:
                self._lock.acquire()
                self._lock_status = Path(self._lock.lock_file).stat()
            except Timeout:
                raise InputError(
                    f"output directory {self._output_dir}: another run works on it"
                    f"{self._owner()}; choose another directory, or wait for that run"
                ) from None
        try:
            with suppress(OSError):  # of a full disk: it is there for a message alone
                self._owner_path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
            yield
        finally:
            with suppress(OSError, OutputError):
                self.check_held()
                self._owner_path.unlink()
            self._lock_status = None
            self._lock.release()

    def check_held(self) -> None:
        """Check that the lock that this run holds is still that of the folder.

        Raises an `OutputError` if the folder was removed, or replaced by another run's.
        """
        if self._lock_status is not None:
            with output_errors(self.path):
                check_same_file(Path(self._lock.lock_file), self._lock_status)

    def _owner(self) -> str:
        try:
            return f" ({self._owner_path.read_text()[:100]})"
        except (OSError, ValueError):
            return ""

    def record(self) -> RunRecord:
        """Give the record as this process last read or wrote it.

        Raises an `InputError` if it cannot be read.
        """
        if self._record is None:
            try:
                record = RunRecord(**read_json(self._record_path, _MOST_RECORD_BYTES))
                datetime.fromisoformat(record.started)
                dict(record.identity), dict(record.outputs)
            except (OSError, SettingsError, ValueError, TypeError) as error:
                raise InputError(
                    f"{self._record_path}: cannot be read, so this run cannot be resumed; "
                    "start anew with --overwrite"
                ) from error
            self._record = record
        return self._record

    def write_record(self, record: RunRecord) -> None:
        """Write the record, durably."""
        self.check_held()
        with output_errors(self._record_path), whole_file(self._record_path) as temporary:
            temporary.write_text(json.dumps(asdict(record), indent=4) + "\n", encoding="utf-8")
        self._record = record

    def change_record(self, **changes: Any) -> RunRecord:
        """Change some of the record's values, durably; return the new record."""
        record = replace(self.record(), **changes)
        self.write_record(record)
        return record

    def note_first_picture(self, movie_number: int, digest: dict[str, str]) -> None:
        """Note the first picture of a movie that is being recorded, or check that it is the same.

        Raises a `RunError` if it is of another recording.
        """
        identity = self.record().identity
        movies = identity["movies"]
        if movie_number == len(movies):
            self.change_record(identity={**identity, "movies": [*movies, digest]})
        elif movies[movie_number] != digest:
            raise RunError("this is another recording than the one that was begun here")

    def clear(self, *kept: Path) -> None:
        """Remove all that is here except the lock and `kept`, the record last."""
        self.check_held()
        stays = (Path(self._lock.lock_file), self._owner_path, self._record_path, *kept)
        with output_errors(self.path):
            for path in self.path.iterdir():
                if path not in stays:
                    remove(path)
            if self._record_path not in kept:
                self._record_path.unlink(missing_ok=True)

    def keep_journals(self) -> None:
        """Remove all but the journals, with which the outputs can be made again."""
        self.change_record(overwrite=True, is_finished=False, outputs={})
        self.clear(self._record_path, *self.path.glob("*.journal"))

    def keep_drawn(self, movie_number: int, num_frames: int) -> None:
        """Keep what is drawn of a movie's first frames: the others have changed."""
        self.check_held()
        for path in self.outputs.kept(movie_number):
            noted = self.record().outputs.items()
            self.change_record(outputs={name: one for name, one in noted if name != path.name})
            with output_errors(path):
                path.unlink(missing_ok=True)
                keep_segments(path, num_frames)

    def note_whole(self, *outputs: Path, is_finished: bool = False) -> None:
        """Note durably size and checksum of outputs that are whole and not noted yet.

        `is_finished` tells that there are no others.
        """
        noted = dict(self.record().outputs)
        for path in outputs:
            if path.name not in noted:
                with output_errors(path):
                    noted[path.name] = _described(path)
        self.change_record(outputs=noted, is_finished=is_finished)

    def find_changed(self, outputs: Iterable[Path]) -> Path | None:
        """Find an output that is not as it was noted, neither here nor where it is to go."""
        for path in outputs:
            staged = self.path / path.name
            if not self.record().tells_of(staged if staged.exists() else path):
                return path
        return None

    def reopen(self) -> RunRecord:
        """Keep, of the outputs, labelled movies that are as noted: journals give all others.

        A finished run is one no longer: what it has moved will be replaced, and its labelled
        movies come back.
        """
        before = self.record()

        def is_kept(path: Path) -> bool:
            return self.outputs.is_kept(path.name) and before.tells_of(path)

        self.change_record(overwrite=before.overwrite or before.is_finished, is_finished=False)
        kept = {}
        with output_errors(self.path):
            if before.is_finished:
                for path in self._results.results():
                    staged = self.path / path.name
                    if not staged.exists() and is_kept(path):
                        path.replace(staged)
            for path in self.outputs.results():
                if is_kept(path):
                    kept[path.name] = before.outputs[path.name]
                else:
                    remove(path)
        return self.change_record(outputs=kept)

    def give_up(self) -> str | None:
        """Tell how to go on with what is done; take all away and give None where nothing is.

        None also where the disk fails or the folder is another run's.
        """
        with suppress(OSError, OutputError):  # a failing disk, or another run's folder: it is told
            self.check_held()
            if num_frames := self.num_frames:
                return f"{num_frames:,} frames are done and kept; go on with --resume"
            self.remove()
        return None

    def remove(self) -> None:
        """Remove all that is here, the file of the lock last."""
        self.clear()
        with suppress(OSError):  # where the system does not remove a file that is in use
            self._owner_path.unlink(missing_ok=True)
            Path(self._lock.lock_file).unlink()


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return {"size_bytes": path.stat().st_size, "sha256": digest.hexdigest()}
