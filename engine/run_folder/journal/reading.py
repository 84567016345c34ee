"""Read a journal back."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RunError
from engine.run_folder.journal.blocks import read_blocks, read_start
from engine.run_folder.journal.rows import JournalRows
from sinks import ResourceHolder

_LENGTH = 4096


@dataclass(frozen=True)
class JournalContent:
    """What a journal holds.

    Attributes
    ----------
    num_body_parts
        Body parts of each pose.
    batch_size
        Frames a batch of the run that wrote it.
    has_looks
        Whether rows tell how their frames were looked at.
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
    has_looks: bool
    num_frames: int
    num_bytes: int
    is_ended: bool
    damage: str | None


def new_journal(num_body_parts: int, batch_size: int, *, has_looks: bool = False) -> JournalContent:
    """Describe a journal that is yet to be written."""
    return JournalContent(num_body_parts, batch_size, has_looks, 0, 0, is_ended=False, damage=None)


def read_journal(path: Path) -> JournalContent | None:
    """Tell what a journal holds; None where there is none, or a crash left not even its start."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        start = read_start(file)
        if start is None:
            return None
        num_frames, is_ended, damage = 0, False, None
        num_bytes = file.tell()
        for num_rows, data in read_blocks(file):
            num_bytes = file.tell()
            num_frames += num_rows
            if num_rows == 0:
                is_ended, damage = True, data.decode() or None
                break
        return JournalContent(*start, num_frames, num_bytes, is_ended, damage)


class JournalCursor(ResourceHolder):
    """Reads a journal's rows, once, from the first to the last that is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest: list[JournalRows] = []

    def open(self, resources: ExitStack) -> None:
        """Open the file."""
        file = resources.enter_context(self._path.open("rb"))
        start = read_start(file)
        self._num_body_parts, _, self._has_looks = start or (0, 0, False)
        self._blocks = read_blocks(file)

    def read(self, num_rows: int) -> JournalRows:
        """Read the next rows.

        Raises
        ------
        RunError
            If there are no longer as many: somebody else has changed the file.
        """
        pieces, missing = [], num_rows
        while missing:
            piece = self._rest.pop() if self._rest else self._next_block()
            if len(piece) > missing:
                self._rest.append(piece.part(missing, len(piece)))
                piece = piece.part(0, missing)
            pieces.append(piece)
            missing -= len(piece)
        return JournalRows.joined(pieces)

    def skip(self, num_rows: int) -> None:
        """Pass over the next rows; raises as `read`."""
        while num_rows:
            num_rows -= len(self.read(min(num_rows, _LENGTH)))

    def _next_block(self) -> JournalRows:
        num_rows, data = next(self._blocks, (0, b""))
        if num_rows == 0:
            raise RunError(f"{self._path}: has lost frames since this run began to read it")
        return JournalRows.from_bytes(
            data, num_rows, self._num_body_parts, has_looks=self._has_looks
        )
