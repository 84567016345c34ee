"""The parts that movie files are made of: whether all are there, and can hold what they claim.

An .avi, a .mp4 and an .mkv are rows of parts that begin with their size: where a part reaches
beyond the end of the file, the recording, or a copy of it, was cut off. A .ts tells nothing of
the kind; it only must not end within one of its packets.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from readers.container import ebml
from readers.errors import MovieError
from readers.ffmpeg import open_regular_file
from readers.file_kind import container_format, read_head, transport_packets

CUT_OFF = "was cut off: it ends before its own description of itself says"
NOT_CLOSED = "was cut off, or never closed by its recorder: it does not tell where it ends"
_MFRO = struct.Struct(">I4sII")
_MOST_CHUNKS = 1_000_000
_MOST_BOXES = 2**22
"""Of one level: two days of fragments of a tenth of a second each."""
_MOST_BOXES_BEFORE_INDEX = 64
_MOST_RECORDINGS = 10_000
_HEAD_BYTES = 4096

_SAMPLE_BYTES = 8
"""The fewest that a sample takes in its file, in a table and as data."""
_ALLOWED_BYTES = 2**22
"""Of samples that a small file may claim without having: one that was cut off behind its index."""
_MOST_INDEX_BYTES = 2**26
"""Of an index that is stored compressed."""
_SAMPLES_OF_PIECE = 1024
"""FFmpeg's index has a place for so many samples of plain sound."""
_DEEPEST = 12
_PARENTS = frozenset(
    b"moov trak mdia minf stbl edts mvex moof traf udta dinf tref wave free hoov cmov".split()
)

Mp4Kind = Literal["fragmented", "plain", "plain and whole"]
ReadAt = Callable[[int, int], bytes]
"""Reads bytes: from which place, and how many."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file: its name, where it and its content start, where it says that it ends.

    The end is 0 where it is not told.
    """

    name: bytes
    start: int
    content: int
    end: int
    ends_with_file: bool = False
    """Whether it says that it goes on to the end of what it is in."""


def reader_of(file: IO[bytes] | bytes) -> ReadAt:
    """Read from a file, whose position stays where it is, or from bytes."""
    if isinstance(file, bytes):
        return lambda place, size: file[place : place + size]
    return lambda place, size: os.pread(file.fileno(), size, place)


def boxes(read_at: ReadAt, start: int, end: int) -> Iterator[Part]:
    """Yield the boxes of a .mp4 or .mov between two places (ISO/IEC 14496-12, 4.2).

    The last one may say that it goes on beyond. After four million of them, it yields no more: a
    file may be made of them to take time.
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
        yield Part(name, start, content, start + size, is_last)
        start += size


def recordings(read_at: ReadAt, file_size: int) -> Iterator[Part]:
    """Yield the recordings of a Matroska file, from its header to the end of its segment.

    There is more than one where files were joined; at most 10,000 are found. What follows one that
    does not tell its end is not found.
    """
    start = 0
    for _ in range(_MOST_RECORDINGS):
        if start >= file_size:
            return
        head = read_at(start, _HEAD_BYTES)
        place = ebml.segment_place(head)
        size_and_content = None if place is None else ebml.read_size(head, place)
        if size_and_content is None:
            return
        size, content = size_and_content
        end = 0 if size is None else start + content + size
        yield Part(ebml.SEGMENT, start, start + content, end)
        if not end:
            return
        start = end


def _parts(file: IO[bytes], file_size: int) -> Iterator[Part]:
    """Yield the parts at the top of a file, up to what was put behind the movie.

    These are the RIFF chunks of an .avi (one, or one per GiB) and the last packet of a .ts.
    """
    head, read_at, start = read_head(file), reader_of(file), 0
    match container_format(head):
        case "avi":
            while start < file_size and len(chunk := read_at(start, 8)) == 8:
                if chunk[:4] not in (b"RIFF", b"ON2 "):
                    return
                size = int.from_bytes(chunk[4:], "little")
                yield Part(chunk[:4], start, start + 8, start + 8 + size if size else 0)
                start += 8 + size + size % 2
        case "matroska":
            yield from recordings(read_at, file_size)
        case "mov":
            yield from takewhile(lambda box: box.name.isalnum(), boxes(read_at, 0, file_size))
        case "mpegts" if (packets := transport_packets(head)) is not None:
            start, size = packets
            num_packets = -(-(file_size - start) // size)
            end = start + num_packets * size
            yield Part(b"packet", end - size, end - size, end)


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
        parts = _parts(file, file_size)
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


def check_tables(path: Path) -> None:
    """Raise `MovieError` if a .mp4 or .mov claims more samples than it can hold.

    FFmpeg makes some 30 bytes of index for every sample that is claimed, before it looks for one,
    and as many for each time that a list of edits shows it. A few bytes can claim any number:
    samples of one size, a fragment whose samples are all alike, chunks of sound, edits that show
    all of it again.
    """
    with open_regular_file(path) as file:
        if container_format(read_head(file)) not in ("mov", None):  # FFmpeg may find one out
            return
        file_size = file.seek(0, 2)
        claimed = 0
        for num_bytes in _claims(reader_of(file), 0, file_size, _Track(), 0):
            claimed += num_bytes
            if claimed > file_size + _ALLOWED_BYTES:
                raise MovieError(
                    path,
                    f"its tables claim {claimed // _SAMPLE_BYTES} samples or more, which a file "
                    f"of {file_size} bytes cannot hold: it is damaged, or made to harm",
                )


@dataclass
class _Track:
    """The claims of one track's tables."""

    num_samples: int = 0
    num_chunks: int = 0
    num_edits: int = 0
    kinds: set[bytes] = field(default_factory=set)
    steps: set[tuple[int, int]] = field(default_factory=set)
    runs: NDArray[np.uint32] = field(default_factory=lambda: np.empty((0, 3), np.uint32))
    """Chunks of as many samples: the first one's number, the samples of each, their kind."""

    def note(self, read_at: ReadAt, table: Part, end: int) -> None:
        """Note what a table claims; it ends at `end`."""

        def number(offset: int) -> int:
            return int.from_bytes(read_at(table.content + offset, 4), "big")

        places = (end - table.content - 8) // 4
        match table.name:
            case b"stsz" | b"stz2":
                self.num_samples += number(8)
            case b"stco" | b"co64":
                self.num_chunks += min(number(4), places)
            case b"elst":
                self.num_edits += min(number(4), places // 3)
            case b"hdlr":
                self.kinds.add(read_at(table.content + 8, 4))
            case b"stts":
                self.steps.add((number(4), number(12)))
            case b"stsc":
                count = min(number(4), places // 3)
                data = read_at(table.content + 8, 12 * max(0, count))
                self.runs = np.frombuffer(data[: len(data) // 12 * 12], ">u4").reshape(-1, 3)

    def num_bytes(self) -> int:
        """Bytes that the file must have for it."""
        is_plain_sound = b"soun" in self.kinds and b"vide" not in self.kinds
        is_plain_sound = is_plain_sound and self.steps == {(1, 1)}
        first, samples, _ = self.runs.astype(np.float64).T
        num_chunks = np.diff(first, append=self.num_chunks + 1).clip(min=0)
        num_pieces = int((num_chunks * np.ceil(samples / _SAMPLES_OF_PIECE)).sum())
        num_places = max(0 if is_plain_sound else self.num_samples, num_pieces)
        return num_places * (_SAMPLE_BYTES + max(0, self.num_edits - 1))


def _claims(read_at: ReadAt, start: int, end: int, track: _Track, depth: int) -> Iterator[int]:
    """Yield the bytes that the file must have for each track and each run of a fragment."""
    for box in boxes(read_at, start, end):
        box_end = min(box.end, end)
        if box.name == b"trun":
            yield _SAMPLE_BYTES * int.from_bytes(read_at(box.content + 4, 4), "big")
        elif box.name == b"cmvd":
            packed = read_at(box.content + 4, max(0, box_end - box.content - 4))
            try:
                index = zlib.decompressobj().decompress(packed, _MOST_INDEX_BYTES)
            except zlib.error:
                continue  # FFmpeg cannot read it either
            yield len(index)
            yield from _claims(reader_of(index), 0, len(index), track, depth + 1)
        elif box.name in _PARENTS and depth < _DEEPEST:
            inner = _Track() if box.name == b"trak" else track
            yield from _claims(read_at, box.content, box_end, inner, depth + 1)
            if box.name == b"trak":
                yield inner.num_bytes()
        else:
            track.note(read_at, box, box_end)
