"""Write a journal as poses come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from engine.run_folder.journal.blocks import block_bytes, start_bytes
from engine.run_folder.journal.reading import JournalContent
from engine.run_folder.journal.rows import JournalRows
from sinks import PoseBatch, ResourceHolder, flush_folder, output_errors
from sinks.files import closed_at_end


class Journal(ResourceHolder):
    """Writes a movie's poses to its journal as they pass; a stage of the pipeline.

    Every batch is handed to the system at once, so that the end of this process loses nothing of
    it. It reaches the disk, where a power cut loses nothing either, when the block ends, and at
    the latest with the first batch `durable_every_s` or `durable_every_frames` after the last
    time. Frames that the journal holds already pass by.

    Parameters
    ----------
    path
        The file.
    content
        What it holds, from `read_journal` or `new_journal`; it goes on behind that.
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
        self._num_frames = content.num_frames
        self._num_waiting = 0

    def open(self, resources: ExitStack) -> None:
        """Open the file, and cut off what a crash has torn."""
        content = self._content
        with output_errors(self._path):
            self._file = resources.enter_context(
                self._path.open("rb+" if content.num_bytes else "wb", buffering=0)
            )
            self._file.truncate(content.num_bytes)
            self._file.seek(content.num_bytes)
            if not content.num_bytes:
                self._write(
                    start_bytes(content.num_body_parts, content.batch_size, content.has_looks)
                )
            self._make_durable()
            flush_folder(self._path.parent)
        resources.enter_context(closed_at_end(self._make_durable, self._path))

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        """Write the batch, unless the journal holds it; return it."""
        if batch.frames.first_frame_index >= self._num_frames:
            with output_errors(self._path):
                self._append(len(batch), JournalRows.of(batch).as_bytes())
                self._num_frames += len(batch)
                self._num_waiting += len(batch)
                is_due = self._clock_s() - self._durable_s >= self._every_s
                if is_due or self._num_waiting >= self._every_frames:
                    self._make_durable()
        return [batch]

    def flush(self) -> list[PoseBatch]:
        """Note the end of the movie."""
        if not self._content.is_ended:
            with output_errors(self._path):
                self._append(0, (self._damage() or "").encode())
                self._make_durable()
        return []

    def _append(self, num_rows: int, data: bytes) -> None:
        self._write(block_bytes(num_rows, data))

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:  # a disk that fills up takes a part, and the next attempt tells why
            rest = rest[self._file.write(rest) :]

    def _make_durable(self) -> None:
        os.fsync(self._file.fileno())
        self._num_waiting, self._durable_s = 0, self._clock_s()
