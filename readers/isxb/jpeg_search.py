"""Where the pictures of a damaged .isxb begin, found without FFmpeg's parser.

FFmpeg's parser ends a picture where the next one begins, and passes over whatever looks like a
segment: behind a bad sector it misses pictures that are intact, and takes noise for pictures.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from readers.ffmpeg import open_regular_file
from readers.isxb.layout import START_OF_PICTURE, Part

END_OF_PICTURE = b"\xff\xd9"
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""What ends entropy-coded data: FF within them is followed by 0 or is a restart marker."""
START_OF_SCAN = 0xDA
_FRAME_HEADERS = frozenset({0xC0, 0xC1, 0xC2})
_WITHOUT_LENGTH = range(0xD0, 0xDA)
_CHUNK_BYTES = 2**22
_LARGEST_HEADER_BYTES = 2**17
LARGEST_PICTURE_BYTES = 2**25
_SHORTEST_ZEROS_BYTES = 64


@dataclass(frozen=True, slots=True)
class Extent:
    """The bytes from the start of one picture to that of the next.

    Attributes
    ----------
    offset, size
        Place within the file, in bytes.
    picture_size
        Bytes up to the end of the picture, where data without a flaw end in one; the whole size
        where there is no such end; 0 for bytes before the first picture.
    is_flawed
        Whether something other than one picture and a little padding is in it.
    """

    offset: int
    size: int
    picture_size: int
    is_flawed: bool


def extents(path: Path, video: Part, width: int, height: int) -> Iterator[Extent]:
    """Take the pictures of a file apart at each start that is beyond doubt.

    A picture begins where FF D8 FF stands right behind the end of another picture, or where a
    complete header of `width` x `height` pixels follows. What stands before the first one is an
    extent too. Together the extents are all of `video`.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open_regular_file(path) as file:
        offset, header_size = video.offset, 0
        for start, size in _starts(file, video, width, height):
            if start > offset:
                yield _extent(file, offset, start - offset, header_size)
            offset, header_size = start, size
        yield _extent(file, offset, video.end - offset, header_size)


def extent_data(file: IO[bytes], extent: Extent) -> bytes:
    """Read the picture that an extent begins with; as much of it as a picture may have."""
    return _read(file, extent.offset, min(extent.picture_size, LARGEST_PICTURE_BYTES))


def is_flawed_picture(data: bytes) -> bool:
    """Tell whether bytes are anything but one picture and a little padding."""
    if not data.startswith(START_OF_PICTURE):
        return True
    header_size = _header_size(data, 0, None)
    return header_size is None or _picture_end(data, header_size)[1]


def _starts(file: IO[bytes], video: Part, width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield where pictures begin, and the sizes of their headers; 0 where that is broken."""
    position = video.offset
    while position < video.end:
        first = max(video.offset, position - len(END_OF_PICTURE))
        last = min(video.end, position + _CHUNK_BYTES + _LARGEST_HEADER_BYTES)
        data = _read(file, first, last - first)
        end = position + _CHUNK_BYTES
        while (place := data.find(START_OF_PICTURE, position - first)) >= 0:
            if first + place >= end:
                break
            header_size = _header_size(data, place, (width, height))
            position = first + place + (header_size or len(START_OF_PICTURE))
            is_behind_end = data.endswith(END_OF_PICTURE, 0, place)
            if header_size or is_behind_end or first + place == video.offset:
                yield first + place, header_size or 0
        position = max(position, end)


def _header_size(data: bytes, start: int, size: tuple[int, int] | None) -> int | None:
    """Walk through a picture's segments up to its entropy-coded data; None where that fails.

    The frame header has to tell `size`, the width and height, unless that is None.
    """
    place = start + 2
    has_frame_header = False
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker < min(_FRAME_HEADERS) or marker in _WITHOUT_LENGTH or marker == 0xFF:
            return None
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _FRAME_HEADERS:
            height = int.from_bytes(data[place + 5 : place + 7], "big")
            width = int.from_bytes(data[place + 7 : place + 9], "big")
            has_frame_header = size in (None, (width, height))
        place += 2 + length
        if length < 2 or place > len(data):
            return None
        if marker == START_OF_SCAN:
            return place - start if has_frame_header else None
    return None


def _extent(file: IO[bytes], offset: int, size: int, header_size: int) -> Extent:
    data = _read(file, offset, min(size, LARGEST_PICTURE_BYTES))
    if not data.startswith(START_OF_PICTURE):
        return Extent(offset, size, 0, is_flawed=True)
    if header_size == 0 or size > LARGEST_PICTURE_BYTES:
        return Extent(offset, size, size, is_flawed=True)
    end, is_flawed = _picture_end(data, header_size)
    return Extent(offset, size, end, is_flawed)


def _picture_end(data: bytes, header_size: int) -> tuple[int, bool]:
    """Where a picture ends, and whether the data are flawed.

    As much padding as the header has bytes is none: no picture has room in it. A run of zeros
    half as long as the header is: nothing but a sector that was lost can hide a whole header.
    """
    marker = MARKER.search(data, header_size)
    if marker is None or marker[0] != END_OF_PICTURE:
        return len(data), True
    zeros = bytes(max(_SHORTEST_ZEROS_BYTES, header_size // 2))
    has_room = len(data) - marker.end() >= header_size
    return marker.end(), has_room or data.find(zeros, header_size, marker.end()) >= 0


def _read(file: IO[bytes], offset: int, size: int) -> bytes:
    data = os.pread(file.fileno(), size, offset)
    if len(data) < size:
        raise OSError(errno.EIO, "it has become shorter while it was read")
    return data
