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
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
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
    num_body_parts
        Body parts of each pose.
    batch_size
        Frames a batch of the run that wrote it.
    has_looks
        Whether rows tell how their frames were looked at.
    is_live
        Whether rows are as they were known while the movie was recorded: frames that the recorder
        dropped have none.
    num_frames
        Rows that are whole.
    num_bytes
        Where the last whole block ends; 0 for a journal that is yet to be written.
    is_ended
        Whether the movie was read to its end.
    damage
        What was found to be wrong with the movie's file by its end, in one line.
    """

    num_body_parts: int
    batch_size: int
    has_looks: bool = False
    is_live: bool = False
    num_frames: int = 0
    num_bytes: int = 0
    is_ended: bool = False
    damage: str | None = None

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
        start = _read_start(file)
        if start is None:
            return None
        num_frames, is_ended, damage = 0, False, None
        num_bytes = file.tell()
        for kind, num_rows, data in _blocks(file):
            num_bytes = file.tell()
            num_frames += num_rows if kind == _Block.ROWS else 0
            if kind == _Block.END:
                is_ended, damage = True, data.decode() or None
        return JournalContent(*start, num_frames, num_bytes, is_ended, damage)


class JournalCursor(ResourceHolder):
    """Reads a journal's rows, once, from the first to the last that is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, resources: ExitStack) -> None:
        """Open the file."""
        self._blocks = self._rows(_Block.ROWS, resources)
        self._filled = (row for rows in self._rows(_Block.FILLED, resources) for row in rows)
        self._rest: Rows | None = None

    def read(self, num_rows: int) -> Rows:
        """Read the next rows: those of skipped frames as they were filled in, if they were.

        Raises
        ------
        RunError
            If there are no longer as many: another program has changed the file.
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

    def _rows(self, kind: _Block, resources: ExitStack) -> Iterator[Rows]:
        """Give the blocks of a kind, each as read-only rows, reading as they are asked for."""
        file = resources.enter_context(self._path.open("rb"))
        start = _read_start(file)
        dtype = JournalContent(*start or (0, 0)).empty_rows(0).dtype
        return (np.frombuffer(data, dtype) for found, _, data in _blocks(file) if found == kind)


class Journal(ResourceHolder):
    """Writes a movie's poses to its journal as they pass; a stage of the pipeline.

    Every batch is handed to the system at once, so that the end of this process loses nothing of
    it. It reaches the disk, where a power cut loses nothing either, when the block ends, and at
    the latest with the first batch `durable_every_s` or `durable_every_frames` after the last
    time. Frames that the journal holds already pass by, except for those that were skipped.

    Parameters
    ----------
    path
        The file.
    content
        What it holds; it goes on behind that.
    durable_every_s, durable_every_frames
        The most that a power cut may lose.
    damage
        Asked at the end of the movie for what is wrong with its file.
    clock_s
        Seconds that only grow.
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
                self._write(_start_bytes(self._content))
            self._make_durable()
            flush_folder(self._path.parent)
        resources.enter_context(closed_at_end(self._make_durable, self._path))

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        """Write what the journal does not hold of the batch; return all of it."""
        frames = batch.frames
        if frames.first_frame_index >= self._content.num_frames:
            self.append(self._rows(batch))
        elif isinstance(frames, KnownFrames) and not frames.is_known.all():
            self.append(self._rows(batch)[~frames.is_known], _Block.FILLED)
        return [batch]

    def append(self, rows: Rows, kind: _Block = _Block.ROWS) -> None:
        """Write the next rows."""
        with output_errors(self._path):
            self._write(_block_bytes(kind, len(rows), rows.tobytes()))
            self._num_waiting += len(rows)
            is_due = self._clock_s() - self._durable_s >= self._every_s
            if is_due or self._num_waiting >= self._every_frames:
                self._make_durable()

    def flush(self) -> list[PoseBatch]:
        """Note the end of the movie."""
        if not self._content.is_ended:
            with output_errors(self._path):
                self._write(_block_bytes(_Block.END, 0, (self._damage() or "").encode()))
                self._make_durable()
        return []

    def _rows(self, batch: PoseBatch) -> Rows:
        rows, frames = self._content.empty_rows(len(batch)), batch.frames
        rows["time_s"] = frames.time_s
        rows["hardware_counter_us"] = frames.hardware_counter_us
        rows["status"] = frames.status
        rows["poses"] = batch.poses
        if isinstance(batch, FollowedBatch):
            rows["looks"] = batch.looks
        return rows

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:  # a disk that fills up takes a part, and the next attempt tells why
            rest = rest[self._file.write(rest) :]

    def _make_durable(self) -> None:
        os.fsync(self._file.fileno())
        self._num_waiting, self._durable_s = 0, self._clock_s()


def _start_bytes(content: JournalContent) -> bytes:
    start = _START.pack(
        _MAGIC, content.num_body_parts, content.batch_size, content.has_looks, content.is_live
    )
    return start + _CHECKSUM.pack(zlib.crc32(start))


def _read_start(file: IO[bytes]) -> tuple[int, int, bool, bool] | None:
    """Read what begins a `JournalContent`; None where the file has no whole start."""
    data = file.read(_START.size + _CHECKSUM.size)
    start = data[: _START.size]
    if not start.startswith(_MAGIC) or data[_START.size :] != _CHECKSUM.pack(zlib.crc32(start)):
        return None
    _, num_body_parts, batch_size, has_looks, is_live = _START.unpack(start)
    return num_body_parts, batch_size, has_looks, is_live


def _block_bytes(kind: int, num_rows: int, data: bytes) -> bytes:
    checksum = _checksum(kind, num_rows, data)
    return _HEAD.pack(kind, num_rows, len(data), checksum) + data


def _blocks(file: IO[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, number of rows and bytes of every block, up to the first that is not whole."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        kind, num_rows, num_bytes, checksum = _HEAD.unpack(head)
        if num_bytes > _LARGEST_BLOCK_BYTES:
            return
        data = file.read(num_bytes)
        if len(data) < num_bytes or checksum != _checksum(kind, num_rows, data):
            return
        yield kind, num_rows, data


def _checksum(kind: int, num_rows: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(struct.pack("<BII", kind, num_rows, len(data))))
