"""An .isxb that is being recorded: its pictures, each as soon as its last byte is there."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from av.video.stream import VideoStream

from readers.ffmpeg import packet_of
from readers.growing.growing_file import ArrivedPacket, Feed
from readers.isxb.layout import HEADER, START_OF_PICTURE, Part, read_layout
from readers.isxb.pictures import PictureScanner, open_picture_stream

_READ_BYTES = 2**18


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
