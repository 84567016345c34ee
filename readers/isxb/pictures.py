"""The JPEG pictures of an .isxb: their decoding, and the searches for them.

FFmpeg's parser ends a picture where the next one begins, and passes over whatever looks like a
segment. In a file that grows it gives a picture only when the next one has come; behind a bad
sector it misses pictures that are intact, and takes noise for pictures. Both have a search of
their own here.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from math import ceil
from pathlib import Path
from typing import IO

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from readers.errors import MovieError
from readers.ffmpeg import Demuxer, WatchedFile, demuxer, open_regular_file, read_part
from readers.isxb.layout import START_OF_PICTURE, IsxbLayout, Part

_NO_PICTURE = "holds no frame that can be decoded"
_READ_AHEAD_BYTES = 2**20
_MOST_PADDING_BYTES = 64
_END_OF_PICTURE = b"\xff\xd9"
LARGEST_PICTURE_BYTES = 2**25
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The end of entropy-coded data: FF within them is followed by 0 or is a restart marker."""
_START_OF_SCAN = 0xDA
_FRAME_HEADERS = frozenset({0xC0, 0xC1, 0xC2})
_NO_SEGMENT = frozenset({0x00, 0x01, *range(0xD0, 0xD9), 0xFF})
_PARSED_START = re.compile(rb"\xff\xd8\xff[\xc0-\xff]")
"""The start of a picture, as FFmpeg's parser sees it."""
_PARSED_START_BYTES = 4
_CHUNK_BYTES = 2**22
_LARGEST_HEADER_BYTES = 2**17
_SHORTEST_ZEROS_BYTES = 64
_NUM_NEIGHBOURS = 16
"""Intact pictures before and behind a flaw that its size is compared with."""
_LEEWAY = 1.25
"""How much larger or smaller than its neighbours a picture may be."""
_LEEWAY_OF_ONLY_FLAW = 2.0
_MOST_FLAWS = 10_000


@contextmanager
def open_pictures(
    path: Path, layout: IsxbLayout
) -> Iterator[tuple[VideoCodecContext, Iterator[av.Packet[VideoStream]]]]:
    """Open the pictures of a file; give its decoder and its packets, of one picture each."""
    if layout.video.size == 0:
        raise MovieError(path, _NO_PICTURE)
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
    data = memoryview(packet)
    if data[: len(START_OF_PICTURE)] != START_OF_PICTURE:
        return True
    if not all_of_it:
        return _END_OF_PICTURE not in bytes(data[-_MOST_PADDING_BYTES:])
    picture = bytes(data)
    header_size = _header_size(picture, 0, None)
    return header_size is None or _picture_end(picture, header_size)[1]


def first_picture_size(path: Path, layout: IsxbLayout) -> tuple[int, int]:
    """Width and height of the first picture that can be decoded; `MovieError` if none can be."""
    with open_pictures(path, layout) as (context, packets):
        pictures = (decode_picture(context, packet) for packet in packets)
        picture = next((picture for picture in pictures if picture is not None), None)
    if picture is None:
        raise MovieError(path, _NO_PICTURE)
    return picture.width, picture.height


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

    The first bytes come from `offset` in the file; `end` is the place in the file behind
    the last picture given and the garbage after it.
    """

    def __init__(self, offset: int) -> None:
        self.end = offset
        self._data = bytearray()
        self._place = 0  # in a picture that has begun; else 0
        self._is_in_scan = False

    def put(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data

    def next_picture(self) -> bytes | None:
        """Give the next complete picture; None where more bytes are needed for it."""
        if not self._place:
            start = _PARSED_START.search(self._data)
            num_garbage = max(0, len(self._data) - _PARSED_START_BYTES + 1)
            self._take(num_garbage if start is None else start.start())
            if start is None:
                return None
            self._place = 2
        end = self._find_end()
        if end is None and len(self._data) < LARGEST_PICTURE_BYTES:
            return None
        return self._take(end or LARGEST_PICTURE_BYTES)

    def rest(self) -> bytes | None:
        """Give the picture that has begun and will never end; None where none has."""
        return self._take(len(self._data)) if self._place else None

    def _take(self, num_bytes: int) -> bytes:
        taken = bytes(self._data[:num_bytes])
        del self._data[:num_bytes]
        self.end += num_bytes
        self._place, self._is_in_scan = 0, False
        return taken

    def _find_end(self) -> int | None:
        """Go on from `_place`, segment by segment, to behind the picture's end."""
        while self._is_in_scan or len(self._data) >= self._place + len(_END_OF_PICTURE):
            if self._is_in_scan:
                marker = _MARKER.search(self._data, self._place)
                if marker is None:
                    self._place = max(self._place, len(self._data) - 1)
                    return None
                self._place, self._is_in_scan = marker.start(), False
            place = self._place
            if self._data.startswith(_END_OF_PICTURE, place):
                return place + len(_END_OF_PICTURE)
            if len(self._data) < place + _PARSED_START_BYTES:
                return None
            if _PARSED_START.match(self._data, place):
                return place
            kind = self._data[place + 1]
            if self._data[place] != 0xFF or kind in _NO_SEGMENT:
                self._place, self._is_in_scan = place + 1, True  # broken: look for the next marker
            else:
                size = int.from_bytes(self._data[place + 2 : place + 4], "big")
                self._place = place + 2 + size
                self._is_in_scan = kind == _START_OF_SCAN
        return None


@dataclass(frozen=True, slots=True)
class Extent:
    """The bytes from the start of one picture to that of the next.

    `picture_size` goes up to the end of the picture, where data without a flaw end in one; it is
    the whole size where there is no such end, and 0 for bytes before the first picture. A flaw is
    anything but one picture and a little padding.
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
        starts = _starts(file, video, width, height)
        for start, next_header_size in chain(starts, [(video.end, 0)]):
            size = picture_size = start - offset
            data = read_part(file, offset, min(size, LARGEST_PICTURE_BYTES))
            is_flawed = True
            if not data.startswith(START_OF_PICTURE):
                picture_size = 0
            elif header_size and size <= LARGEST_PICTURE_BYTES:
                picture_size, is_flawed = _picture_end(data, header_size)
            if size:
                yield Extent(offset, size, picture_size, is_flawed)
            offset, header_size = start, next_header_size


def _starts(file: IO[bytes], video: Part, width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield where pictures begin, and the sizes of their headers; 0 where that is broken."""
    position = video.offset
    while position < video.end:
        first = max(video.offset, position - len(_END_OF_PICTURE))
        last = min(video.end, position + _CHUNK_BYTES + _LARGEST_HEADER_BYTES)
        data = read_part(file, first, last - first)
        end = position + _CHUNK_BYTES
        while (place := data.find(START_OF_PICTURE, position - first)) >= 0:
            if first + place >= end:
                break
            header_size = _header_size(data, place, (width, height))
            position = first + place + (header_size or len(START_OF_PICTURE))
            is_behind_end = data.endswith(_END_OF_PICTURE, 0, place)
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
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        is_segment = marker >= min(_FRAME_HEADERS) and marker not in _NO_SEGMENT
        if not is_segment or marker == _END_OF_PICTURE[1]:
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


def _picture_end(data: bytes, header_size: int) -> tuple[int, bool]:
    """Find the end of a picture; tell, too, whether the data are flawed.

    Padding that is shorter than the header is no flaw: no picture has room in it. A run of zeros
    half as long as the header is one: only a sector that was lost can hide a whole header.
    """
    marker = _MARKER.search(data, header_size)
    if marker is None or marker[0] != _END_OF_PICTURE:
        return len(data), True
    zeros = bytes(max(_SHORTEST_ZEROS_BYTES, header_size // 2))
    has_room = len(data) - marker.end() >= header_size
    return marker.end(), has_room or data.find(zeros, header_size, marker.end()) >= 0


@dataclass(frozen=True)
class LostPictures:
    """The places where pictures are missing.

    `behind` tells, by the offset of an extent, how many are missing behind its picture.
    """

    count: int
    behind: dict[int, int]

    @property
    def damage(self) -> str:
        """What is wrong with the file, in one line."""
        if self.count == 0:
            return "its pictures are damaged; none of them is missing"
        pictures = "picture is" if self.count == 1 else "pictures are"
        return f"its pictures are damaged; {self.count} {pictures} missing and undecodable"


@dataclass
class _Flaw:
    """An extent that may hold more than one picture, or none; the sizes of intact ones around."""

    extent: Extent
    neighbours: list[int]
    num_following: int = 0

    @property
    def is_flawed(self) -> bool:
        largest = max(self.neighbours, default=0)
        return self.extent.is_flawed or self.extent.size > _LEEWAY * largest > 0

    def num_lost(self, leeway: float) -> tuple[int, int]:
        """Fewest and most pictures that are missing in it, by the sizes of its neighbours."""
        extent = self.extent
        if not self.neighbours:
            return 0, extent.size
        smallest, largest = min(self.neighbours) / leeway, max(self.neighbours) * leeway
        num_seen = 1
        size = extent.size
        if extent.picture_size == 0:
            num_seen = 0
        elif extent.is_flawed and smallest <= extent.picture_size < size:
            num_seen, size = 0, size - extent.picture_size
        most = max(0, int(size / smallest) - num_seen)
        fewest = ceil(size / largest) - num_seen if extent.is_flawed else 0
        return max(0, min(fewest, most)), most


def _survey(pictures: Iterator[Extent]) -> tuple[int, list[_Flaw] | None]:
    """Count the pictures, and find the flaws among them; None for more than 10,000."""
    num_pictures, has_too_many = 0, False
    flaws: list[_Flaw] = []
    unsure: list[_Flaw] = []
    sizes: deque[int] = deque(maxlen=_NUM_NEIGHBOURS)
    for extent in pictures:
        num_pictures += extent.picture_size > 0
        if not extent.is_flawed:
            for flaw in unsure:
                flaw.neighbours.append(extent.size)
                flaw.num_following += 1
            known = [flaw for flaw in unsure if flaw.num_following >= _NUM_NEIGHBOURS]
            flaws += [flaw for flaw in known if flaw.is_flawed]
            unsure = [flaw for flaw in unsure if flaw.num_following < _NUM_NEIGHBOURS]
        # The first picture, and one much larger than those before, may be several: those
        # behind it will tell.
        is_suspect = extent.is_flawed or extent.size > _LEEWAY * max(sizes, default=0)
        has_no_room = len(flaws) + len(unsure) >= _MOST_FLAWS
        has_too_many = has_too_many or (is_suspect and has_no_room)
        if is_suspect and not has_no_room:
            unsure.append(_Flaw(extent, [*sizes]))
        if not extent.is_flawed:
            sizes.append(extent.size)
    flaws += [flaw for flaw in unsure if flaw.is_flawed]
    return num_pictures, None if has_too_many else flaws


def find_lost_pictures(path: Path, layout: IsxbLayout, width: int, height: int) -> LostPictures:
    """Find where pictures are missing in a whole file that has fewer than its header counts.

    Each start of a picture that is beyond doubt is one picture; the others are missing. They
    can only be where the data are flawed: before the first start, in a picture whose data do not
    run to its end, hold a long run of zeros, or are followed by more bytes than a header has, or
    in one much larger than its neighbours. If there is one such flaw, all that are missing are
    there, unless its size is less than half or more than twice what the 16 intact pictures before
    and behind it allow. If there are several, their sizes tell, at most a quarter beyond
    the sizes of those neighbours: the places are known where no other numbers add up.

    Reads the file once from end to end; keeps nothing but the flaws, at most 10000. Raises
    `MovieError` if it cannot be told which pictures are missing, or there are more than samples.
    """
    num_pictures, flaws = _survey(extents(path, layout.video, width, height))
    num_missing = layout.header.num_recorded_frames - num_pictures
    if num_missing == 0:
        return LostPictures(0, {})
    leeway = _LEEWAY_OF_ONLY_FLAW if len(flaws or []) == 1 else _LEEWAY
    bounds = [flaw.num_lost(leeway) for flaw in flaws or []]
    fewest, most = sum(low for low, _ in bounds), sum(high for _, high in bounds)
    is_sure = num_missing in (fewest, most) or sum(low < high for low, high in bounds) == 1
    if flaws is None or not is_sure or not fewest <= num_missing <= most:
        raise cannot_tell(path, layout, num_missing)
    if num_missing == most:
        numbers = [high for _, high in bounds]
    else:
        numbers = [low + (low < high) * (num_missing - fewest) for low, high in bounds]
    behind = {flaw.extent.offset: lost for flaw, lost in zip(flaws, numbers, strict=True) if lost}
    return LostPictures(num_missing, behind)


def cannot_tell(path: Path, layout: IsxbLayout, num_missing: int) -> MovieError:
    """Make the error for pictures that are missing, or too many, in places that are unknown."""
    count = layout.header.num_recorded_frames
    problem = f"{-num_missing} too many" if num_missing < 0 else f"{num_missing} missing"
    return MovieError(
        path,
        f"its metadata counts {count} frames, its pictures {count - num_missing}: "
        f"{problem}, it cannot be told which",
    )


def damaged_pictures(
    path: Path, layout: IsxbLayout, width: int, height: int, lost: LostPictures
) -> Iterator[Extent | None]:
    """Yield the extent of every recorded picture; None for each that is missing."""
    for extent in extents(path, layout.video, width, height):
        if extent.picture_size:
            yield extent
        for _ in range(lost.behind.get(extent.offset, 0)):
            yield None
