"""The journal of a movie: its unfiltered poses, durable as they come.

Its start names the format, the number of body parts, the frames a batch, whether rows tell how
their frames were looked at and whether a live run wrote them, with a checksum. Blocks follow, each
with a head (kind, number of rows, number of bytes, checksum) and its bytes. What a crash has torn
has another checksum, and counts as not written.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.pipeline.prediction import LOOK_DTYPE, FollowedBatch, KnownFrames
from readers import FrameStatus
from sinks import PoseBatch, ResourceHolder, flush_folder, output_errors
from sinks.files import closed_at_end

_MAGIC = b"posestream journal 3\n"
_START = struct.Struct(f"<{len(_MAGIC)}sII??")
_CHECKSUM = struct.Struct("<I")
_HEAD = struct.Struct("<BIII")
_LARGEST_BLOCK_BYTES = 2**30
ROWS_AT_ONCE = 1024
"""Frames a batch where no pictures are needed."""

Rows = NDArray[np.void]
"""Shape (frames,): ``time_s``, ``hardware_counter_us`` and ``status`` as in `readers.FrameBatch`,
``poses`` (body parts, 3) as the model gave them, and ``looks`` where it was chosen how to look."""


class _Block(IntEnum):
    ROWS = 0
    """Rows of the next frames."""
    FILLED = 1
    """Rows of the first frames whose rows say that they were skipped, in their stead."""
    END = 2
    """No row: the movie was read to its end. The bytes tell what is wrong with its file."""


@dataclass(frozen=True)
class JournalContent:
    """The content of a journal; by default that of one that is yet to be written.

    Attributes
    ----------
    num_body_parts, batch_size
        Body parts of each pose, and frames a batch of the run that wrote it.
    has_looks
        Whether rows tell how their frames were looked at.
    is_live
        Whether rows are as they were known while the movie was recorded: frames that the recorder
        dropped have none.
    num_frames, num_bytes
        Rows that are whole, and where their last block ends.
    is_ended, damage
        Whether the movie was read to its end, and what was wrong with its file, in one line.
    """

    num_body_parts: int
    batch_size: int
    has_looks: bool = False
    is_live: bool = False
    num_frames: int = 0
    num_bytes: int = 0
    is_ended: bool = False
    damage: str | None = None

    def start(self) -> bytes:
        """Give the first bytes of the file."""
        shape = self.num_body_parts, self.batch_size
        start = _START.pack(_MAGIC, *shape, self.has_looks, self.is_live)
        return start + _CHECKSUM.pack(zlib.crc32(start))

    def empty_rows(self, num_rows: int) -> Rows:
        """Make rows to be filled in."""
        columns: list[tuple[Any, ...]] = [
            ("time_s", "<f8"),
            ("hardware_counter_us", "<f8"),
            ("status", "u1"),
            ("poses", "<f8", (self.num_body_parts, 3)),
        ]
        return np.empty(num_rows, columns + [("looks", LOOK_DTYPE)] * self.has_looks)


def read_journal(path: Path) -> JournalContent | None:
    """Tell what a journal holds; None where there is none, or a crash left not even its start."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        content = _read_start(file)
        if content is None:
            return None
        num_frames, num_bytes, is_ended, damage = 0, file.tell(), False, None
        for kind, num_rows, data in _blocks(file):
            num_bytes = file.tell()
            num_frames += num_rows if kind == _Block.ROWS else 0
            if kind == _Block.END:
                is_ended, damage = True, data.decode() or None
    return replace(
        content, num_frames=num_frames, num_bytes=num_bytes, is_ended=is_ended, damage=damage
    )


class JournalCursor(ResourceHolder):
    """Reads a journal's rows, once, from the first to the last that is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, resources: ExitStack) -> None:
        """Open the file, once for rows and once for those that were filled in."""

        def rows_of(kind: _Block) -> Iterator[Rows]:
            file = resources.enter_context(self._path.open("rb"))
            dtype = (_read_start(file) or JournalContent(0, 0)).empty_rows(0).dtype
            return (np.frombuffer(data, dtype) for found, _, data in _blocks(file) if found == kind)

        self._blocks = rows_of(_Block.ROWS)
        self._filled = (row for rows in rows_of(_Block.FILLED) for row in rows)
        self._rest: Rows | None = None

    def read(self, num_rows: int) -> Rows:
        """Read the next rows: those of skipped frames as they were filled in, if they were.

        Raises a `RunError` if there are no longer as many: another program has changed the file.
        """
        pieces, missing = [], num_rows
        while missing:
            piece = next(self._blocks, None) if self._rest is None else self._rest
            if piece is None:
                raise RunError(f"{self._path}: has lost frames since this run began to read it")
            self._rest = piece[missing:] if len(piece) > missing else None
            pieces.append(piece[:missing])
            missing -= len(pieces[-1])
        rows: Rows = np.concatenate(pieces)
        for index in np.flatnonzero(rows["status"] == FrameStatus.SKIPPED):
            rows[index] = next(self._filled, rows[index])
        return rows


def frames_of(path: Path, num_frames: int, status: FrameStatus) -> Generator[int, None, None]:
    """Yield the indices of those of a journal's first frames that have a status."""
    if num_frames:
        with JournalCursor(path) as cursor:
            for start in range(0, num_frames, ROWS_AT_ONCE):
                rows = cursor.read(min(ROWS_AT_ONCE, num_frames - start))
                yield from (start + np.flatnonzero(rows["status"] == status)).tolist()


class Journal(ResourceHolder):
    """Writes a movie's poses to its journal as they pass; a stage of the pipeline.

    Every batch is handed to the system at once, so that the end of this process loses nothing of
    it. It reaches the disk, where a power cut loses nothing either, when the block ends, and at
    the latest with the first batch `durable_every_s` or `durable_every_frames` after the last
    time. Frames that the journal holds already pass by, except for those that were skipped.

    Parameters
    ----------
    path, content
        The file and what it holds; it goes on behind that.
    durable_every_s, durable_every_frames
        The most that a power cut may lose.
    damage
        Asked at the end of the movie for what is wrong with its file.
    """

    def __init__(
        self,
        path: Path,
        content: JournalContent,
        *,
        durable_every_s: float,
        durable_every_frames: int,
        damage: Callable[[], str | None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._content = content
        self._every_s, self._every_frames = durable_every_s, durable_every_frames
        self._damage = damage
        self._clock_s = clock_s
        self._num_waiting = 0

    def open(self, resources: ExitStack) -> None:
        """Open the file, and cut off what a crash has torn."""
        num_bytes = self._content.num_bytes
        with output_errors(self._path):
            self._file = resources.enter_context(
                self._path.open("rb+" if num_bytes else "wb", buffering=0)
            )
            self._file.truncate(num_bytes)
            self._file.seek(num_bytes)
            if not num_bytes:
                self._write(self._content.start())
            self._make_durable()
            flush_folder(self._path.parent)
        resources.enter_context(closed_at_end(self._make_durable, self._path))

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        """Write what the journal does not hold of the batch; return all of it."""
        frames = batch.frames
        is_new = frames.first_frame_index >= self._content.num_frames
        is_filled = isinstance(frames, KnownFrames) and not frames.is_known.all()
        if is_new or is_filled:
            rows = self._content.empty_rows(len(batch))
            for name in ("time_s", "hardware_counter_us", "status"):
                rows[name] = getattr(frames, name)
            rows["poses"] = batch.poses
            if isinstance(batch, FollowedBatch):
                rows["looks"] = batch.looks
            if is_new:
                self.append(rows)
            elif isinstance(frames, KnownFrames):
                self.append(rows[~frames.is_known], _Block.FILLED)
        return [batch]

    def append(self, rows: Rows, kind: _Block = _Block.ROWS) -> None:
        """Write the next rows."""
        with output_errors(self._path):
            data = rows.tobytes()
            self._write(_head(kind, len(rows), data) + data)
            self._num_waiting += len(rows)
            is_due = self._clock_s() - self._durable_s >= self._every_s
            if is_due or self._num_waiting >= self._every_frames:
                self._make_durable()

    def flush(self) -> list[PoseBatch]:
        """Note the end of the movie."""
        if not self._content.is_ended:
            with output_errors(self._path):
                told = (self._damage() or "").encode()
                self._write(_head(_Block.END, 0, told) + told)
                self._make_durable()
        return []

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:  # a disk that fills up takes a part, and the next attempt tells why
            rest = rest[self._file.write(rest) :]

    def _make_durable(self) -> None:
        os.fsync(self._file.fileno())
        self._num_waiting, self._durable_s = 0, self._clock_s()


def _read_start(file: IO[bytes]) -> JournalContent | None:
    """Read the start; None where the file has no whole one."""
    data = file.read(_START.size + _CHECKSUM.size)
    if not data.startswith(_MAGIC) or len(data) < _START.size:
        return None
    content = JournalContent(*_START.unpack(data[: _START.size])[1:])
    return content if content.start() == data else None


def _head(kind: int, num_rows: int, data: bytes) -> bytes:
    fields = struct.pack("<BII", kind, num_rows, len(data))
    return fields + _CHECKSUM.pack(zlib.crc32(data, zlib.crc32(fields)))


def _blocks(file: IO[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, number of rows and bytes of every block, up to the first that is not whole."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        kind, num_rows, num_bytes, _ = _HEAD.unpack(head)
        if num_bytes > _LARGEST_BLOCK_BYTES:
            return
        data = file.read(num_bytes)
        if len(data) < num_bytes or head != _head(kind, num_rows, data):
            return
        yield kind, num_rows, data
