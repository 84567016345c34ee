"""A format of this test's own: JPEG pictures, each behind its size and its time in microseconds."""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, cast

import av
import cv2
from av.video.stream import VideoStream

from readers.base import DecodedFrame, MovieReader
from readers.errors import MovieError, movie_errors
from readers.ffmpeg import WatchedFile, demuxer, open_regular_file, read_part
from readers.formats import Format
from readers.frames import MovieInfo
from readers.growing.growing_file import ArrivedPacket, Feed
from tests.small_movies import pictures

MAGIC, END = b"\x89HDF\r\n\x1a\n", bytes(12)  # of what would be no movie, but for the table
PAGE = struct.Struct("<IQ")


def write(path: Path, num_frames: int) -> Path:
    data = MAGIC
    for index, picture in enumerate(pictures(num_frames)):
        jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        data += PAGE.pack(len(jpeg), 40_000 * index) + jpeg
    path.write_bytes(data + END)
    return path


def pages(file: IO[bytes]) -> Iterator[tuple[int, int, int]]:
    """Yield the place, the size and the time of each picture."""
    place = len(MAGIC)
    while True:
        size, time_us = PAGE.unpack(read_part(file, place, PAGE.size))
        if not size:
            return
        yield place + PAGE.size, size, time_us
        place += PAGE.size + size


def inspect(path: Path) -> MovieInfo:
    with movie_errors(path), open_regular_file(path) as file:
        place, size, _ = next(pages(file), (0, 0, 0))
        if not size:
            raise MovieError(path, "has no pictures")
        with demuxer(path, WatchedFile(file, place, place + size), "mjpeg") as source:
            stream = source.stream
            return MovieInfo(path, "flipbook", stream.width, stream.height, Fraction(1, 25))


class FlipbookReader(MovieReader):
    """Reads a flip-book."""

    def _decode(self) -> Generator[DecodedFrame, None, None]:
        decoder = av.CodecContext.create("mjpeg", "r")
        with open_regular_file(self.info.path) as file:
            for place, size, time_us in pages(file):
                packet = av.Packet(read_part(file, place, size))
                (picture,) = decoder.decode(packet)
                yield DecodedFrame(picture, time_us / 1e6)


class FlipbookFeed(Feed):
    """The packets of a flip-book that is being recorded."""

    format = "flipbook"
    _place = len(MAGIC)

    def _open_stream(self) -> VideoStream:
        size, _ = self._next_page()
        place = self._place + PAGE.size
        part = WatchedFile(self._file.file, place, place + size)
        return self._resources.enter_context(demuxer(self.path, part, "mjpeg")).stream

    def packets(self) -> Iterator[ArrivedPacket]:
        while (page := self._next_page())[0]:
            size, time_us = page
            packet = av.Packet(self._file.peek(self._place + PAGE.size, size))
            self._place += PAGE.size + size
            packet.time_base = self.stream.time_base or Fraction(1)
            packet.pts = packet.dts = round(Fraction(time_us, 1_000_000) / packet.time_base)
            arrival_time_s = self._file.arrival_time_s(self._place)
            yield ArrivedPacket(cast("av.Packet[VideoStream]", packet), arrival_time_s)
        self._file.wait_for_end()

    @property
    def num_waiting_bytes(self) -> int:
        return max(0, self._file.size - self._place - len(END))

    def _next_page(self) -> tuple[int, int]:
        if not self._file.wait_for(self._place + PAGE.size):
            return 0, 0
        size, time_us = PAGE.unpack(self._file.peek(self._place, PAGE.size))
        return (size, time_us) if self._file.wait_for(self._place + PAGE.size + size) else (0, 0)


def is_closed(file: IO[bytes], size: int) -> bool:
    return read_part(file, size - len(END), len(END)) == END


FLIPBOOK = Format(
    "flipbook",
    (".flip",),
    lambda head: head.startswith(MAGIC),
    inspect,
    FlipbookReader,
    FlipbookFeed,
    is_closed,
)
