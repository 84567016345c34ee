"""An .isxb that is being recorded: its pictures, each as soon as its last byte is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from av.video.stream import VideoStream

from readers.ffmpeg import packet_of
from readers.growing.growing_file import ArrivedPacket, Feed
from readers.isxb.layout import HEADER, START_OF_PICTURE, Part, read_layout
from readers.isxb.pictures import (
    END_OF_PICTURE,
    LARGEST_PICTURE_BYTES,
    MARKER,
    NO_SEGMENT,
    START_OF_SCAN,
    open_picture_stream,
    segment_size,
)

_READ_BYTES = 2**18
_PARSED_START = re.compile(rb"\xff\xd8\xff[\xc0-\xff]")
"""The start of a picture, as FFmpeg's parser sees it."""
_PARSED_START_BYTES = 4


class IsxbFeed(Feed):
    """Packets of an .isxb.

    Counts, times and counters come only when the recorder closes the file: packets are numbered,
    and the stream tells 25 frames a second, as FFmpeg takes for pictures without times.
    """

    format = "isxb"
    tells_times = False

    _scanner: PictureScanner
    _read_to = 0
    _video_end: int | None = None
    _first: bytes | None = None

    def _open_stream(self) -> VideoStream:
        """Wait for the first picture, and open it as FFmpeg would the whole."""
        if not self._file.wait_for(HEADER.size + len(START_OF_PICTURE)):
            raise self._file.nothing_came()
        # A file that is being copied tells already where its pictures lie.
        layout = read_layout(self.path, self._file.file)
        if layout.header.video_size:
            self._video_end = layout.header.video_offset + layout.header.video_size
        self._scanner = PictureScanner(layout.video.offset)
        self._read_to = layout.video.offset
        self._first = self._whole_picture()
        if self._first is None:
            raise self._file.nothing_came()
        size = len(self._first)
        part = Part(self._scanner.end - size, size)
        return self._resources.enter_context(open_picture_stream(self.path, part)).stream

    def packets(self) -> Iterator[ArrivedPacket]:
        """Yield a packet for each picture; one that was cut off by the end of all is the last."""
        picture, number = self._first, 0
        self._first = None
        while picture is not None:
            packet = packet_of(picture, number)
            packet.time_base = self.stream.time_base or Fraction(1, 25)
            number += 1
            yield ArrivedPacket(packet, self._file.arrival_time_s(self._scanner.end))
            self.watch()
            picture = self._whole_picture()
            # One that was cut off is a frame of the finished file, unless we stopped before.
            if picture is None and self.ended_by in ("closed", "silent"):
                picture = self._scanner.rest()

    @property
    def num_waiting_bytes(self) -> int:
        """Bytes behind the picture that was given last; 0 at the end of the recording."""
        if self.ended_by is not None and self._read_to >= self._end:
            return 0
        return max(0, self._end - self._scanner.end)

    @property
    def _end(self) -> int:
        """The end of the pictures that are there by now."""
        size = self._file.size
        return size if self._video_end is None else min(size, self._video_end)

    def _whole_picture(self) -> bytes | None:
        """Wait for the next picture; None where no other one will be complete."""
        while (picture := self._scanner.next_picture()) is None:
            if self._video_end is not None and self._read_to >= self._video_end:
                self._file.wait_for_end()  # the other parts are still being copied
                return None
            if not self._file.wait_for(self._read_to + 1):
                return None
            data = self._file.peek(self._read_to, min(_READ_BYTES, self._end - self._read_to))
            self._scanner.put(data)
            self._read_to += len(data)
        return picture


class PictureScanner:
    """The pictures in bytes that come piece by piece, each as soon as its last byte is there.

    They are those that FFmpeg's parser finds, without padding behind their end. A picture whose
    end is missing goes up to the next start. One larger than 32 MiB is given in part, as no
    decoder takes it.

    The first bytes come from `offset` in the file; `end` is where the picture that was given last,
    and the garbage behind it, end.
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
        while self._is_in_scan or len(self._data) >= self._place + len(END_OF_PICTURE):
            if self._is_in_scan:
                marker = MARKER.search(self._data, self._place)
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
            if self._data[place] != 0xFF or kind in NO_SEGMENT:
                self._place, self._is_in_scan = place + 1, True  # broken: look for the next marker
            else:
                self._place = place + 2 + segment_size(self._data, place)
                self._is_in_scan = kind == START_OF_SCAN
        return None
