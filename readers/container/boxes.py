"""The boxes that a .mp4 or .mov is made of (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

_MOST_BOXES = 2**22
"""Of one level: two days of fragments of a tenth of a second each."""
ReadAt = Callable[[int, int], bytes]
"""Reads bytes: from which place, and how many."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box, or a part like it: its name, where it and its content start, where it says it ends."""

    name: bytes
    start: int
    content: int
    end: int
    ends_with_file: bool = False
    """Whether it says that it goes on to the end of what it is in."""


def reader_of(file: IO[bytes]) -> ReadAt:
    """Read from a file, whose position stays where it is."""
    return lambda place, size: os.pread(file.fileno(), size, place)


def boxes(read_at: ReadAt, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places; the last one may say that it goes on beyond.

    After four million of them, it yields no more: a file may be made of them to take time.
    """
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        head = read_at(start, 16)
        if len(head) < 8:
            return
        size, name = struct.unpack(">I4s", head[:8])
        content, is_last = start + 8, size == 0
        if size == 1 and len(head) == 16:
            size, content = int.from_bytes(head[8:], "big"), start + 16
        elif is_last:
            size = end - start
        if size < content - start:
            return
        yield Box(name, start, content, start + size, is_last)
        start += size
