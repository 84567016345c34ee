"""Whether the program that recorded a file is done with it: each kind tells it in its own way."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import IO, Literal

from readers.container.ebml import read_size, segment_place
from readers.errors import MovieError
from readers.isxb.layout import read_layout

_MFRO = struct.Struct(">I4sII")
_MOST_BOXES = 64
"""At the top of a plain .mp4, or before the index of a fragmented one."""
_LARGEST_EBML_HEADER_BYTES = 4096


def is_isxb_closed(path: Path, file: IO[bytes]) -> bool:
    """Tell whether the header of an .isxb is filled in and all parts are there.

    The recorder writes the header last, over a blank one.
    """
    file.seek(0)
    try:
        return read_layout(path, file).is_whole
    except MovieError:
        return False


def is_avi_closed(file: IO[bytes], size: int) -> bool:
    """Tell whether each RIFF chunk of an .avi knows its size, and the last one ends with the file.

    Until it is closed the size of a chunk is 0 or larger than any.
    """
    start = end = 0
    while start + 8 <= size:
        head = _at(file, start, 8)
        chunk_size = int.from_bytes(head[4:], "little")
        if head[:4] not in (b"RIFF", b"ON2 ") or chunk_size == 0:
            return False
        end = start + 8 + chunk_size
        start = end + chunk_size % 2  # the byte that fills up the last one may be missing
    return 0 < end <= size <= start


def is_mp4_closed(file: IO[bytes], size: int) -> bool:
    """Tell whether a fragmented .mp4 ends with its index of fragments, or a plain one is whole."""
    tail = _at(file, max(0, size - _MFRO.size), _MFRO.size)
    if len(tail) == _MFRO.size:
        _, name, _, index_size = _MFRO.unpack(tail)
        if name == b"mfro" and _at(file, max(0, size - index_size), 8)[4:] == b"mfra":
            return True
    return mp4_kind(file, size) == "plain and whole"


Mp4Kind = Literal["fragmented", "plain", "plain and whole"]


def mp4_kind(file: IO[bytes], size: int) -> Mp4Kind | None:
    """Tell what kind of .mp4 a file is; None while too little of it is there.

    The index of a plain one is written when it is closed: it cannot be read before. A fragmented
    one begins with an index that says that fragments follow (ISO/IEC 14496-12, 8.8).
    """
    start, names = 0, set()
    for _ in range(_MOST_BOXES):
        head = _at(file, start, 16)
        if len(head) < 8:
            break
        box_size, name = struct.unpack(">I4s", head[:8])
        if box_size == 1 and len(head) == 16:
            box_size = int.from_bytes(head[8:], "big")
        end = start + box_size if box_size else 0  # 0: up to the end of the file, or not known yet
        if name == b"moov" and 0 < end <= size and b"mvex" in _at(file, start, box_size):
            return "fragmented"
        names.add(name)
        if not box_size >= 8 or end > size:
            break
        start = end
    if start == size and {b"moov", b"mdat"} <= names:
        return "plain and whole"
    return "plain" if b"mdat" in names else None


def is_matroska_closed(file: IO[bytes], size: int) -> bool:
    """Tell whether the segment of a Matroska file knows its size, and ends with the file.

    Until it is closed its size is the reserved value of ones (RFC 8794, 6.2).
    """
    head = _at(file, 0, _LARGEST_EBML_HEADER_BYTES)
    place = segment_place(head)
    segment = None if place is None else read_size(head, place)
    if segment is None:
        return False
    content_size, start = segment
    return content_size is not None and start + content_size == size


def _at(file: IO[bytes], offset: int, size: int) -> bytes:
    return os.pread(file.fileno(), size, offset)
