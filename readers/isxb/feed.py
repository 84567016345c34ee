"""An .isxb that is being recorded: its pictures, each as soon as its last byte is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.video.stream import VideoStream

from readers.container.file_ends import is_isxb_closed
from readers.errors import movie_errors
from readers.growing.clock import now_s
from readers.growing.feed import ArrivedPacket, EndedBy
from readers.growing.growing_file import GrowingFile
from readers.isxb.jpeg_stream import PictureScanner
from readers.isxb.layout import HEADER, START_OF_PICTURE, Part, read_layout
from readers.isxb.pictures import open_picture_stream

_READ_BYTES = 2**18


class IsxbFeed:
    """Packets of an .isxb; see `Feed`.

    Counts, times and counters come only when the recorder closes the file: packets are numbered,
    and the stream tells 25 frames a second, as FFmpeg takes for pictures without times.

    Parameters
    ----------
    path
        The file; it has to be there.
    end_after_s
        Silence that is taken for the end.
    wait, clock
        As of `GrowingFile`.
    """

    format = "isxb"
    notes: tuple[str, ...] = ()
    is_recorded_here = False
    tells_times = False

    def __init__(
        self,
        path: Path,
        *,
        end_after_s: float | Callable[[], float],
        wait: Callable[[float], object] | None = None,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self.path = path
        self._file = GrowingFile(
            path,
            lambda file, _: is_isxb_closed(path, file),
            end_after_s=end_after_s,
            wait=wait,
            clock=clock,
        )
        self._resources = ExitStack()
        self._stream: VideoStream | None = None
        self._scanner = PictureScanner(HEADER.size)
        self._read_to = HEADER.size
        self._video_end: int | None = None
        self._first: bytes | None = None
        self._num_given = 0

    def open(self) -> None:
        """Wait for the first picture, and open it as FFmpeg would the whole."""
        with movie_errors(self.path):
            self._resources.callback(self._file.close)
            self._file.open()
            if not self._file.wait_for(HEADER.size + len(START_OF_PICTURE)):
                raise self._file.nothing_came()
            self._read_header()
            self._first = self._whole_picture()
            if self._first is None:
                raise self._file.nothing_came()
            size = len(self._first)
            part = Part(self._scanner.end - size, size)
            source = self._resources.enter_context(open_picture_stream(self.path, part))
            self._stream = source.stream

    def close(self) -> None:
        """Close the file."""
        self._resources.close()

    @property
    def stream(self) -> VideoStream:
        """FFmpeg's stream of the pictures."""
        if self._stream is None:
            raise ValueError("not opened")
        return self._stream

    def packets(self) -> Iterator[ArrivedPacket]:
        """Yield a packet for each picture; one that was cut off by the end of all is the last."""
        picture = self._first
        self._first = None
        while picture is not None:
            packet = cast("av.Packet[VideoStream]", av.Packet(picture))
            packet.pts = packet.dts = self._num_given
            packet.time_base = self.stream.time_base or Fraction(1, 25)
            self._num_given += 1
            yield ArrivedPacket(packet, self._file.arrival_time_s(self._scanner.end))
            self.watch()
            picture = self._whole_picture() or self._rest()

    def stop(self) -> None:
        """Take nothing that arrives from now on."""
        self._file.stop()

    def watch(self) -> None:
        """Look whether the file has grown."""
        self._file.watch()

    @property
    def num_waiting_bytes(self) -> int:
        """Bytes behind the picture that was given last; 0 at the end of the recording."""
        if self.ended_by is not None and self._read_to >= self._end:
            return 0
        return max(0, self._end - self._scanner.end)

    @property
    def ended_by(self) -> EndedBy | None:
        """Why the file gets no longer; None while it may."""
        return self._file.ended_by

    @property
    def damage(self) -> str | None:
        """What has happened to the file while it was followed."""
        return self._file.damage

    @property
    def _end(self) -> int:
        """Where the pictures end that are there by now."""
        size = self._file.size
        return size if self._video_end is None else min(size, self._video_end)

    def _read_header(self) -> None:
        """Find out where the pictures lie: a file that is being copied tells it already."""
        self._file.file.seek(0)
        layout = read_layout(self.path, self._file.file)
        if layout.header.video_size:
            self._video_end = layout.header.video_offset + layout.header.video_size
        self._scanner = PictureScanner(layout.video.offset)
        self._read_to = layout.video.offset

    def _whole_picture(self) -> bytes | None:
        """Wait for the next picture; None where no other one will be complete."""
        while (picture := self._scanner.next_picture()) is None:
            if not self._wait_for_more():
                return None
            data = self._file.peek(self._read_to, min(_READ_BYTES, self._end - self._read_to))
            self._scanner.put(data)
            self._read_to += len(data)
        return picture

    def _wait_for_more(self) -> bool:
        if self._video_end is not None and self._read_to >= self._video_end:
            self._file.wait_for_end()  # the other parts are still being copied
            return False
        return self._file.wait_for(self._read_to + 1)

    def _rest(self) -> bytes | None:
        """Give a picture that was cut off, as a reader of the file will find it.

        If we have stopped, or the file was taken away from us, it is none of our frames.
        """
        return self._scanner.rest() if self.ended_by in ("closed", "silent") else None
