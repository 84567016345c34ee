"""Finds JPEG pictures in bytes that come piece by piece, each as soon as its end is there."""

from __future__ import annotations

import re

from readers.isxb.jpeg_search import END_OF_PICTURE, LARGEST_PICTURE_BYTES, MARKER, START_OF_SCAN

_START = re.compile(rb"\xff\xd8\xff[\xc0-\xff]")
"""What FFmpeg's parser takes for a start."""
_START_BYTES = 4
_START_OF_PICTURE = 0xD8
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xD8), 0xFF})


class PictureScanner:
    """Takes bytes and gives pictures: those that FFmpeg's parser finds, but for what is padding.

    FFmpeg ends a picture where the next one begins, and so gives one only when the next has
    come. A picture whose end is missing is given as that parser does: up to the next start. One
    larger than 32 MiB is given in part, as no decoder takes it.

    Parameters
    ----------
    offset
        Where in the file the first bytes come from.
    """

    def __init__(self, offset: int) -> None:
        self._data = bytearray()
        self._offset = offset
        self._is_inside = False
        self._is_in_scan = False
        self._place = 0

    @property
    def end(self) -> int:
        """Offset in the file behind the picture that was given last, or behind what it lies in."""
        return self._offset

    @property
    def num_bytes(self) -> int:
        """Bytes that were taken and belong to no picture yet."""
        return len(self._data)

    def put(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data

    def next_picture(self) -> bytes | None:
        """Give the next complete picture; None where more bytes are needed for it."""
        if not self._is_inside and not self._find_start():
            return None
        end = self._find_end()
        if end is None and len(self._data) >= LARGEST_PICTURE_BYTES:
            end = LARGEST_PICTURE_BYTES
        if end is None:
            return None
        return self._take(end)

    def rest(self) -> bytes | None:
        """Give the picture that has begun and will never end; None where none has."""
        if not self._is_inside:
            return None
        return self._take(len(self._data))

    def _take(self, end: int) -> bytes:
        picture = bytes(self._data[:end])
        self._drop(end)
        self._is_inside = self._is_in_scan = False
        return picture

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self._offset += count

    def _find_start(self) -> bool:
        start = _START.search(self._data)
        if start is None:
            self._drop(max(0, len(self._data) - _START_BYTES + 1))
            return False
        self._drop(start.start())
        self._is_inside, self._place = True, len(b"\xff\xd8")
        return True

    def _find_end(self) -> int | None:
        """Go on from `_place`, segment by segment, to behind the picture's end."""
        while self._is_in_scan or len(self._data) >= self._place + len(END_OF_PICTURE):
            if self._is_in_scan and not self._pass_over_scan():
                return None
            place = self._place
            if self._data.startswith(END_OF_PICTURE, place):
                return place + len(END_OF_PICTURE)
            if len(self._data) < place + _START_BYTES:
                return None
            if _START.match(self._data, place):
                return place
            self._pass_over_segment(place)
        return None

    def _pass_over_scan(self) -> bool:
        """Move to the next marker in entropy-coded data; False where there is none yet."""
        marker = MARKER.search(self._data, self._place)
        if marker is None:
            self._place = max(self._place, len(self._data) - 1)
            return False
        self._place, self._is_in_scan = marker.start(), False
        return True

    def _pass_over_segment(self, place: int) -> None:
        kind = self._data[place + 1]
        if self._data[place] != 0xFF or kind in _WITHOUT_LENGTH or kind == _START_OF_PICTURE:
            self._place, self._is_in_scan = place + 1, True  # broken: look for the next marker
            return
        length = int.from_bytes(self._data[place + 2 : place + 4], "big")
        self._place = place + 2 + length
        self._is_in_scan = kind == START_OF_SCAN
