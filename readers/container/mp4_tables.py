"""A check that the tables of a .mp4 or .mov claim no more samples than its file can hold.

FFmpeg makes some 30 bytes of index for every sample that is claimed, before it looks for one, and
as many for each time that a list of edits shows it. A few bytes can claim any number: samples of
one size, a fragment whose samples are all alike, chunks of sound, edits that show all of it again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from readers.container.boxes import Box, ReadAt, boxes, reader_of
from readers.errors import MovieError
from readers.ffmpeg import open_regular_file
from readers.file_kind import container_format, read_head

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


def check_tables(path: Path) -> None:
    """Raise `MovieError` if a .mp4 or .mov claims more samples than it can hold."""
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
            yield _SAMPLE_BYTES * _number(read_at, box.content + 4)
        elif box.name == b"cmvd":
            index = _decompressed(read_at(box.content + 4, max(0, box_end - box.content - 4)))
            yield len(index)
            yield from _claims(_reader_of(index), 0, len(index), track, depth + 1)
        elif box.name in _PARENTS and depth < _DEEPEST:
            inner = _Track() if box.name == b"trak" else track
            yield from _claims(read_at, box.content, box_end, inner, depth + 1)
            if box.name == b"trak":
                yield inner.num_bytes()
        else:
            _note(read_at, box, box_end, track)


def _note(read_at: ReadAt, box: Box, end: int, track: _Track) -> None:
    """Note what a table of a track claims."""
    places = (end - box.content - 8) // 4
    if box.name in (b"stsz", b"stz2"):
        track.num_samples += _number(read_at, box.content + 8)
    elif box.name in (b"stco", b"co64"):
        track.num_chunks += min(_number(read_at, box.content + 4), places)
    elif box.name == b"elst":
        track.num_edits += min(_number(read_at, box.content + 4), places // 3)
    elif box.name == b"hdlr":
        track.kinds.add(read_at(box.content + 8, 4))
    elif box.name == b"stts":
        count = _number(read_at, box.content + 4)
        track.steps.add((count, _number(read_at, box.content + 12)))
    elif box.name == b"stsc":
        count = min(_number(read_at, box.content + 4), places // 3)
        data = read_at(box.content + 8, 12 * max(0, count))
        track.runs = np.frombuffer(data[: len(data) // 12 * 12], ">u4").reshape(-1, 3)


def _decompressed(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MOST_INDEX_BYTES)
    except zlib.error:
        return b""  # FFmpeg cannot read it either


def _reader_of(data: bytes) -> ReadAt:
    return lambda place, size: data[place : place + size]


def _number(read_at: ReadAt, place: int) -> int:
    return int.from_bytes(read_at(place, 4), "big")
