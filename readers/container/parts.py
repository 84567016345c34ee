"""The parts of a movie file that tell whether it is whole, cut off, or still being written.

An .avi, a .mp4 and an .mkv are rows of parts that begin with their size: where a part reaches
beyond the end of the file, the recording, or a copy of it, was cut off. A .ts tells nothing of
the kind; it only must not end within one of its packets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from pathlib import Path
from typing import IO, Literal

from readers.container import ebml
from readers.container.boxes import Box, ReadAt, boxes, reader_of
from readers.ffmpeg import open_regular_file
from readers.file_kind import container_format, read_head, transport_packets

CUT_OFF = "was cut off: it ends before its own description of itself says"
NOT_CLOSED = "was cut off, or never closed by its recorder: it does not tell where it ends"
_MFRO = struct.Struct(">I4sII")
_MOST_CHUNKS = 1_000_000
_MOST_BOXES_BEFORE_INDEX = 64
Mp4Kind = Literal["fragmented", "plain", "plain and whole"]


def cut_off(path: Path) -> str | None:
    """Tell how a movie was cut off; None where it is whole, or its format cannot tell."""
    with open_regular_file(path) as file:
        file_size = file.seek(0, 2)
        for part in _parts(file, file_size):
            if part.end > file_size or part.end == 0:
                return NOT_CLOSED if part.name == ebml.SEGMENT and not part.end else CUT_OFF
    return None


def lacks_index(path: Path) -> bool:
    """Tell whether a .mp4 was cut off before its index, without which nothing can be read."""
    with open_regular_file(path) as file:
        if container_format(read_head(file)) != "mov":
            return False
        file_size = file.seek(0, 2)
        parts = _boxes(file, file_size)
        names = {part.name for part in parts if part.end <= file_size or part.name != b"moov"}
    return b"moov" not in names and bool(names & {b"ftyp", b"mdat"})


def is_closed(file: IO[bytes], size: int) -> bool:
    """Tell whether the program that records a file is done with it; most formats never tell.

    An .avi and an .mkv know all their sizes then, a fragmented .mp4 ends with an index of its
    fragments, and a plain one is whole.
    """
    name = container_format(read_head(file))
    if name == "mov":
        read_at = reader_of(file)
        tail = read_at(max(0, size - _MFRO.size), _MFRO.size)
        _, tail_name, _, index_size = _MFRO.unpack(tail.rjust(_MFRO.size))
        if tail_name == b"mfro" and read_at(max(0, size - index_size), 8)[4:] == b"mfra":
            return True
        return mp4_kind(file, size) == "plain and whole"
    if name not in ("avi", "matroska"):
        return False
    last = None
    for last in _parts(file, size):
        if not last.end:
            return False
    # The byte that makes the length of an .avi even may be missing.
    padding = (last.end - last.start) % 2 if last is not None and name == "avi" else 0
    return last is not None and last.end <= size <= last.end + padding


def mp4_kind(file: IO[bytes], size: int) -> Mp4Kind | None:
    """Tell what kind of .mp4 a file is; None while too little of it is there.

    The index of a plain one is written when it is closed: it cannot be read before. A fragmented
    one begins with an index that says that fragments follow (ISO/IEC 14496-12, 8.8).
    """
    read_at, names, end = reader_of(file), set(), 0
    for box in islice(boxes(read_at, 0, size), _MOST_BOXES_BEFORE_INDEX):
        names.add(box.name)
        end = box.end
        if box.ends_with_file:
            end = 0  # or its recorder does not know its size yet
        elif box.name == b"moov" and end <= size and b"mvex" in read_at(box.start, end - box.start):
            return "fragmented"
    if end == size and {b"moov", b"mdat"} <= names:
        return "plain and whole"
    return "plain" if b"mdat" in names else None


def empty_chunks_behind(read_at: ReadAt, position: int, stream_index: int) -> int:
    """Count the frames that an .avi dropped behind its last picture, which ends at `position`.

    A frame that was dropped is a chunk of no bytes.
    """
    ours = b"%02d" % stream_index
    count = 0
    for _ in range(_MOST_CHUNKS):
        head = read_at(position, 8)
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if len(head) < 8 or name == b"idx1" or not name.isalnum():
            break
        if name in (b"LIST", b"RIFF"):
            position += 12  # look into it
            continue
        count += size == 0 and name in (ours + b"dc", ours + b"db")
        position += 8 + size + size % 2
    return count


def _parts(file: IO[bytes], file_size: int) -> Iterator[Box]:
    """Yield the parts at the top of a file; the end of one that does not tell it is 0."""
    find_parts = _PARTS.get(container_format(read_head(file)) or "")
    if find_parts is not None:
        yield from find_parts(file, file_size)


def _last_packet(file: IO[bytes], file_size: int) -> Iterator[Box]:
    """Yield the packet with which a .ts ends."""
    packets = transport_packets(read_head(file))
    if packets is not None:
        start, size = packets
        num_packets = -(-(file_size - start) // size)
        end = start + num_packets * size
        yield Box(b"packet", end - size, end - size, end)


def _boxes(file: IO[bytes], file_size: int) -> Iterator[Box]:
    """Yield the boxes at the top of a .mp4, up to what was put behind the movie."""
    yield from takewhile(lambda box: box.name.isalnum(), boxes(reader_of(file), 0, file_size))


def _chunks(file: IO[bytes], file_size: int) -> Iterator[Box]:
    """Yield the RIFF chunks at the top of an .avi: one, or one per GiB."""
    start = 0
    while start < file_size:
        head = reader_of(file)(start, 8)
        if len(head) < 8 or head[:4] not in (b"RIFF", b"ON2 "):
            return  # something that was put behind the movie
        size = int.from_bytes(head[4:], "little")
        yield Box(head[:4], start, start + 8, start + 8 + size if size else 0)
        start += 8 + size + size % 2


_PARTS: dict[str, Callable[[IO[bytes], int], Iterator[Box]]] = {
    "avi": _chunks,
    "matroska": lambda file, file_size: ebml.recordings(reader_of(file), file_size),
    "mov": _boxes,
    "mpegts": _last_packet,
}
