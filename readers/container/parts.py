"""Whether a movie file ends before it says that it would.

An .avi, a .mp4 and an .mkv are rows of parts that begin with their size: where a part reaches
beyond the end of the file, the recording, or a copy of it, was cut off. A .ts tells nothing of
the kind; it only must not end within one of its packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from readers.container import ebml
from readers.container.boxes import boxes, reader_of
from readers.ffmpeg import WatchedFile, open_regular_file
from readers.file_kind import container_format, read_head, transport_packets

_MOST_PARTS = 1_000_000
"""At the top of a file: a day of fragments of a tenth of a second each."""

CUT_OFF = "was cut off: it ends before its own description of itself says"
NOT_CLOSED = "was cut off, or never closed by its recorder: it does not tell where it ends"


@dataclass(frozen=True, slots=True)
class _Part:
    name: bytes
    start: int
    end: int
    """Where it says that it ends; 0 where it does not say."""


def cut_off(path: Path) -> str | None:
    """Tell how a movie, but for an .isxb, was cut off; None where it is whole."""
    with open_regular_file(path) as file:
        file_size = file.seek(0, 2)
        find_parts = _PARTS.get(container_format(read_head(file)) or "")
        for part in find_parts(file, file_size) if find_parts else ():
            if part.end > file_size or part.end == 0:
                return NOT_CLOSED if part.name == ebml.SEGMENT and not part.end else CUT_OFF
    return None


def lacks_index(path: Path) -> bool:
    """Tell whether a .mp4 was cut off before its index, without which nothing can be read."""
    with open_regular_file(path) as file:
        if container_format(read_head(file)) != "mov":
            return False
        file_size = file.seek(0, 2)
        names = set()
        for part in _boxes(file, file_size):
            if part.end <= file_size or part.name != b"moov":
                names.add(part.name)
    return b"moov" not in names and bool(names & {b"ftyp", b"mdat"})


def _segments(file: IO[bytes], file_size: int) -> Iterator[_Part]:
    """Yield the recordings of an .mkv: one, unless files were joined."""
    for start, end in ebml.recordings(file, file_size):
        yield _Part(ebml.SEGMENT, start, end)


def _last_packet(file: IO[bytes], file_size: int) -> Iterator[_Part]:
    """Yield the packet with which a .ts ends."""
    packets = transport_packets(read_head(file))
    if packets is not None:
        start, size = packets
        num_packets = -(-(file_size - start) // size)
        end = start + num_packets * size
        yield _Part(b"packet", end - size, end)


def _boxes(file: IO[bytes], file_size: int) -> Iterator[_Part]:
    """Yield the boxes at the top of a .mp4, up to what was put behind the movie."""
    for box in boxes(reader_of(file), 0, file_size):
        if not box.name.isalnum():
            return
        yield _Part(box.name, box.start, box.end)


def _chunks(file: IO[bytes], file_size: int) -> Iterator[_Part]:
    """Yield the RIFF chunks at the top of an .avi: one, or one per GiB."""
    start = 0
    while start < file_size:
        file.seek(start)
        head = file.read(8)
        if len(head) < 8 or head[:4] not in (b"RIFF", b"ON2 "):
            return  # something that was put behind the movie
        size = int.from_bytes(head[4:], "little")
        yield _Part(head[:4], start, start + 8 + size if size else 0)
        start += 8 + size + size % 2


_PARTS: dict[str, Callable[[IO[bytes], int], Iterator[_Part]]] = {
    "avi": _chunks,
    "matroska": _segments,
    "mov": _boxes,
    "mpegts": _last_packet,
}


def empty_chunks_behind(file: WatchedFile, position: int, stream_index: int) -> int:
    """Count the frames that an .avi dropped behind its last picture, which ends at `position`.

    A frame that was dropped is a chunk of no bytes.
    """
    ours = b"%02d" % stream_index
    count = 0
    for _ in range(_MOST_PARTS):
        file.seek(position)
        head = file.read(8)
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if len(head) < 8 or name == b"idx1" or not name.isalnum():
            break
        if name in (b"LIST", b"RIFF"):
            position += 12  # look into it
            continue
        count += size == 0 and name in (ours + b"dc", ours + b"db")
        position += 8 + size + size % 2
    return count
