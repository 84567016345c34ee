"""The JPEG pictures of an .isxb: their decoding, and the searches for them.

FFmpeg's parser ends a picture where the next one begins, and passes over whatever looks like a
segment. In a file that grows it gives a picture only when the next one has come; behind a bad
sector it misses pictures that are intact, and takes noise for pictures. Both have a search of
their own here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from readers.errors import MovieError
from readers.ffmpeg import Demuxer, WatchedFile, demuxer, open_regular_file, read_part
from readers.isxb.layout import START_OF_PICTURE, IsxbLayout, Part

_READ_AHEAD_BYTES = 2**20
_MOST_PADDING_BYTES = 64
END_OF_PICTURE = b"\xff\xd9"
LARGEST_PICTURE_BYTES = 2**25
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The end of entropy-coded data: FF within them is followed by 0 or is a restart marker."""
_START_OF_SCAN = 0xDA
_FRAME_HEADERS = frozenset({0xC0, 0xC1, 0xC2})
_PARSED_START = re.compile(rb"\xff\xd8\xff[\xc0-\xff]")
"""The start of a picture, as FFmpeg's parser sees it."""
_PARSED_START_BYTES = 4
_NO_SEGMENT = frozenset({0x00, 0x01, *range(0xD0, 0xD9), 0xFF})
_CHUNK_BYTES = 2**22
_LARGEST_HEADER_BYTES = 2**17
_SHORTEST_ZEROS_BYTES = 64


@contextmanager
def open_pictures(
    path: Path, layout: IsxbLayout
) -> Iterator[tuple[VideoCodecContext, Iterator[av.Packet[VideoStream]]]]:
    """Open the pictures of a file; give its decoder and its packets, of one picture each."""
    if layout.video.size == 0:
        raise MovieError(path, "holds no frame that can be decoded")
    # A part of its own: the JSON behind the video must not be taken for pictures.
    with open_picture_stream(path, layout.video) as source:
        packets = (packet for packet in source.packets() if packet.size)
        yield source.stream.codec_context, packets


@contextmanager
def open_picture_stream(path: Path, pictures: Part) -> Iterator[Demuxer]:
    """Open a part of a file, nothing but pictures, for FFmpeg to take apart and decode."""
    with (
        open_regular_file(path) as file,
        demuxer(
            path,
            WatchedFile(file, pictures.offset, pictures.end),
            "mjpeg",
            read_ahead_bytes=_READ_AHEAD_BYTES,
        ) as source,
    ):
        context = source.stream.codec_context
        # Strict: otherwise FFmpeg passes damaged pictures with a part of them wrong.
        context.options = {**context.options, "err_detect": "explode"}
        yield source


def looks_damaged(packet: av.Packet[VideoStream], *, all_of_it: bool) -> bool:
    """Tell whether a packet is anything but one picture, without decoding it.

    Looking through all of it takes about a hundredth of the time that decoding takes; looking
    at its ends next to none.
    """
    if all_of_it:
        return is_flawed_picture(bytes(packet))
    data = memoryview(packet)
    begins = data[: len(START_OF_PICTURE)] == START_OF_PICTURE
    return not begins or END_OF_PICTURE not in bytes(data[-_MOST_PADDING_BYTES:])


def decode_picture(
    context: VideoCodecContext, packet: av.Packet[VideoStream]
) -> av.VideoFrame | None:
    """Decode a packet; None where that fails."""
    try:
        return next(iter(context.decode(packet)), None)
    except av.error.FFmpegError:  # of any kind: a size that is nonsense is told as lack of memory
        return None


class PictureScanner:
    """The pictures in bytes that come piece by piece, each as soon as its last byte is there.

    They are those that FFmpeg's parser finds, without padding behind their end. A picture whose
    end is missing goes up to the next start. One larger than 32 MiB is given in part, as no
    decoder takes it.

    Parameters
    ----------
    offset
        Where in the file the first bytes come from.

    Attributes
    ----------
    end
        Offset in the file behind the picture that was given last, and the garbage behind it.
    """

    def __init__(self, offset: int) -> None:
        self.end = offset
        self._data = bytearray()
        self._is_inside = self._is_in_scan = False
        self._place = 0

    def put(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data

    def next_picture(self) -> bytes | None:
        """Give the next complete picture; None where more bytes are needed for it."""
        if not self._is_inside:
            start = _PARSED_START.search(self._data)
            num_kept = _PARSED_START_BYTES - 1
            self._drop(max(0, len(self._data) - num_kept) if start is None else start.start())
            if start is None:
                return None
            self._is_inside, self._place = True, 2
        end = self._find_end()
        if end is None and len(self._data) < LARGEST_PICTURE_BYTES:
            return None
        return self._take(end or LARGEST_PICTURE_BYTES)

    def rest(self) -> bytes | None:
        """Give the picture that has begun and will never end; None where none has."""
        return self._take(len(self._data)) if self._is_inside else None

    def _take(self, end: int) -> bytes:
        picture = bytes(self._data[:end])
        self._drop(end)
        self._is_inside = self._is_in_scan = False
        return picture

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self.end += count

    def _find_end(self) -> int | None:
        """Go on from `_place`, segment by segment, to behind the picture's end."""
        while self._is_in_scan or len(self._data) >= self._place + len(END_OF_PICTURE):
            if self._is_in_scan:
                marker = _MARKER.search(self._data, self._place)
                if marker is None:
                    self._place = max(self._place, len(self._data) - 1)
                    return None
                self._place, self._is_in_scan = marker.start(), False
            place = self._place
            if self._data.startswith(END_OF_PICTURE, place):
                return place + len(END_OF_PICTURE)
            if len(self._data) < place + _PARSED_START_BYTES:
                return None
            if _PARSED_START.match(self._data, place):
                return place
            kind = self._data[place + 1]
            if self._data[place] != 0xFF or kind in _NO_SEGMENT:
                self._place, self._is_in_scan = place + 1, True  # broken: look for the next marker
            else:
                self._place = place + 2 + _length(self._data, place)
                self._is_in_scan = kind == _START_OF_SCAN
        return None


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
    extent too. Together the extents are all of `video`. `OSError` if the file cannot be read.
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
    return read_part(file, extent.offset, min(extent.picture_size, LARGEST_PICTURE_BYTES))


def is_flawed_picture(data: bytes) -> bool:
    """Tell whether bytes are anything but one picture and a little padding."""
    header_size = _header_size(data, 0, None) if data.startswith(START_OF_PICTURE) else None
    return header_size is None or _picture_end(data, header_size)[1]


def _starts(file: IO[bytes], video: Part, width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield where pictures begin, and the sizes of their headers; 0 where that is broken."""
    position = video.offset
    while position < video.end:
        first = max(video.offset, position - len(END_OF_PICTURE))
        last = min(video.end, position + _CHUNK_BYTES + _LARGEST_HEADER_BYTES)
        data = read_part(file, first, last - first)
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
        marker, length = data[place + 1], _length(data, place)
        is_segment = marker >= min(_FRAME_HEADERS) and marker not in _NO_SEGMENT
        if not is_segment or marker == END_OF_PICTURE[1]:
            return None
        if marker in _FRAME_HEADERS:
            height = int.from_bytes(data[place + 5 : place + 7], "big")
            width = int.from_bytes(data[place + 7 : place + 9], "big")
            has_frame_header = size in (None, (width, height))
        place += 2 + length
        if length < 2 or place > len(data):
            return None
        if marker == _START_OF_SCAN:
            return place - start if has_frame_header else None
    return None


def _length(data: bytes | bytearray, place: int) -> int:
    """Bytes of the segment whose marker stands at `place`, without the marker."""
    return int.from_bytes(data[place + 2 : place + 4], "big")


def _extent(file: IO[bytes], offset: int, size: int, header_size: int) -> Extent:
    data = read_part(file, offset, min(size, LARGEST_PICTURE_BYTES))
    if not data.startswith(START_OF_PICTURE):
        return Extent(offset, size, 0, is_flawed=True)
    if header_size == 0 or size > LARGEST_PICTURE_BYTES:
        return Extent(offset, size, size, is_flawed=True)
    return Extent(offset, size, *_picture_end(data, header_size))


def _picture_end(data: bytes, header_size: int) -> tuple[int, bool]:
    """Find the end of a picture; tell, too, whether the data are flawed.

    Padding that is shorter than the header is no flaw: no picture has room in it. A run of zeros
    half as long as the header is one: only a sector that was lost can hide a whole header.
    """
    marker = _MARKER.search(data, header_size)
    if marker is None or marker[0] != END_OF_PICTURE:
        return len(data), True
    zeros = bytes(max(_SHORTEST_ZEROS_BYTES, header_size // 2))
    has_room = len(data) - marker.end() >= header_size
    return marker.end(), has_room or data.find(zeros, header_size, marker.end()) >= 0
