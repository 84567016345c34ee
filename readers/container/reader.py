"""The description, the reader and the feed of movies of any camera: all that FFmpeg reads."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import IO

import av
import av.error
from av.video.stream import VideoStream

from readers.base import DecodedFrame, MovieReader
from readers.container.frames import ContainerFrames
from readers.container.parts import (
    boxes,
    check_tables,
    cut_off,
    is_closed,
    lacks_index,
    mp4_kind,
    reader_of,
    recordings,
)
from readers.errors import MovieError, movie_errors
from readers.ffmpeg import (
    MOST_PIXELS,
    Demuxer,
    WatchedFile,
    demuxer,
    open_regular_file,
    other_videos,
    packet_of,
)
from readers.file_kind import (
    NO_MOVIE,
    TELLING_BYTES,
    check_is_movie,
    container_format,
    format_name,
    is_one_jpeg,
    read_head,
)
from readers.frame_times import (
    AviIndex,
    frame_period_s,
    num_claimed,
    num_dropped,
    time_keeping,
)
from readers.frames import MovieInfo
from readers.growing.growing_file import ArrivedPacket, EndedBy, Feed
from readers.pixels import orientation_of

_NUM_TRIED_PACKETS = 8
_MOST_JOINED = 10_000
_NOT_WHILE_IT_GROWS = (
    "is a plain .{}, which cannot be read before its end, when the recorder writes its index; "
    "record a fragmented .mp4 or an .mkv, or run on it afterwards"
)


def inspect_container(path: Path) -> MovieInfo:
    """Tell what a movie of any camera is, from its header and its first picture.

    Raises `MovieError` if the file is not a movie, claims more than it can hold, or not one frame
    of it can be decoded: the header alone does not tell that.
    """
    with movie_errors(path):
        check_tables(path)
        with open_regular_file(path) as file:
            head = read_head(file)
        with _opened(path) as source:
            container, stream = source.container, source.stream
            first_step_s = None if stream.average_rate else _first_step_s(path)
            period_s = frame_period_s(path, stream, first_step_s)
            frames = ContainerFrames(source, period_s)
            pictures = (frame.picture for frame in frames)
            picture = next((picture for picture in pictures if picture is not None), None)
            if picture is None:
                raise MovieError(path, "holds no frame that can be decoded")
            orientation = orientation_of(picture)
            width, height = orientation.size(picture.width, picture.height)
            are_counted = not frames.has_second_fields
            damage = cut_off(path)
            return MovieInfo(
                path=path,
                format=format_name(container.format.name, head),
                width=width,
                height=height,
                frame_period_s=period_s,
                num_frames_from_header=num_claimed(stream) if are_counted else None,
                num_dropped_from_header=num_dropped(stream) if are_counted and not damage else None,
                duration_s=Fraction(container.duration or 0, av.time_base) or None,
                damage=damage,
                notes=tuple(filter(None, (other_videos(stream), time_keeping(stream)))),
                orientation=orientation,
            )


class ContainerReader(MovieReader):
    """Reads a movie of any camera; times are the container's, from the first frame on.

    Frames that an .avi counts without having a picture of them are rows of their own, dropped.
    """

    def _decode(self) -> Generator[DecodedFrame, None, None]:
        # A picture of another size does not belong to the movie: make no room for a huge one.
        most_pixels = 4 * self.info.width * self.info.height + 2**20
        is_cut_off = self.info.damage is not None
        with _opened(self.info.path, most_pixels) as source:
            frames = ContainerFrames(source, self.info.frame_period_s, is_cut_off=is_cut_off)
            for frame in frames:
                self._damage = frames.damage
                yield frame
            self._damage = frames.damage


def _first_step_s(path: Path) -> Fraction | None:
    """Give the shortest time between the first frames, or that the only one is shown for."""
    with _opened(path) as source:
        packets = list(islice(source.packets(), _NUM_TRIED_PACKETS))
        time_base = source.stream.time_base or Fraction(0)
    times = sorted({packet.pts for packet in packets if packet.pts is not None})
    steps = [later - earlier for earlier, later in pairwise(times)]
    steps = steps or [packet.duration for packet in packets if packet.duration]
    return min(steps) * time_base if steps else None


@contextmanager
def open_container(
    path: Path, container_format: str | None, most_pixels: int = MOST_PIXELS
) -> Iterator[Demuxer]:
    """Open a whole file for FFmpeg; see `demuxer`.

    Recordings that FFmpeg would not find, or misread, behind the first are read one by one: of a
    Matroska file it reads two; in a joined .mp4 it takes the places of all pictures for those in
    the first file.
    """
    with open_regular_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        starts: list[int] = []
        if container_format == "matroska":
            found = recordings(reader_of(file), size)
            starts = [part.start for part in islice(found, 2, None)]
        elif container_format == "mov":
            heads = (box.start for box in boxes(reader_of(file), 0, size) if box.name == b"ftyp")
            starts = list(islice(heads, 1, _MOST_JOINED))
        first, *behind = (
            WatchedFile(file, start, end) for start, end in pairwise([0, *starts, size])
        )
        with demuxer(path, first, container_format, most_pixels=most_pixels) as source:
            yield replace(source, behind=tuple(behind))


@contextmanager
def _opened(path: Path, most_pixels: int = MOST_PIXELS) -> Iterator[Demuxer]:
    with open_regular_file(path) as file:
        name = container_format(read_head(file))
        if name == "mjpeg" and is_one_jpeg(file):
            raise MovieError(path, NO_MOVIE.format("a JPEG picture"))
    try:
        with open_container(path, name, most_pixels) as source:
            yield source
    except (av.error.FFmpegError, MovieError) as error:
        if lacks_index(path):
            raise MovieError(
                path, "its index (moov) is missing: the recording was cut off before its end"
            ) from error
        raise


class ContainerFeed(Feed):
    """Packets of an .avi, a fragmented .mp4, an .mkv, a .ts, or what else FFmpeg streams.

    FFmpeg gives a frame of an .avi (MJPEG), .mp4 and .mkv as soon as its last byte is there. A
    frame of a .ts comes two frames later: FFmpeg's demuxer and its parser each see the end of a
    frame only when the next one begins. A frame of H.264 in an .avi comes one frame later. Before
    the first frame FFmpeg waits until it knows the frame rate: 20 frames of a .mp4 or a .ts, which
    do not tell it, and 40 of H.264 in an .avi.
    """

    _source: Demuxer
    _avi_index: AviIndex | None = None
    _given_to = 0
    _num_given = 0
    _is_over = False
    _damage: str | None = None

    @classmethod
    def not_live_because(cls, file: IO[bytes], head: bytes) -> str | None:
        """Say so of a plain .mp4 or .mov that is not finished."""
        if container_format(head) == "mov" and mp4_kind(file, file.seek(0, 2)) == "plain":
            return _NOT_WHILE_IT_GROWS.format(format_name("mov", head))
        return None

    def _open_stream(self) -> VideoStream:
        head = self._wait_for_head()
        name = container_format(head)
        if name == "mov":
            self._wait_for_index()
            check_tables(self.path)
        file = self._file
        try:
            if is_closed(file.file, file.size):
                self._source = self._resources.enter_context(open_container(self.path, name))
            else:
                self._source = self._resources.enter_context(demuxer(self.path, file, name))
        except av.error.FFmpegError:
            file.raise_interrupt()
            if self.ended_by is None:
                raise
            raise file.nothing_came() from None
        file.raise_interrupt()
        stream = self._source.stream
        self.format = format_name(self._source.container.format.name, head)
        self.notes = tuple(filter(None, [other_videos(stream)]))
        if self.format == "avi":
            self._avi_index = AviIndex(stream)
        return stream

    def packets(self) -> Iterator[ArrivedPacket]:
        """Yield the file's packets; one that was cut off by the end of all is the last."""
        try:
            for packet in self._source.packets():
                if packet.is_corrupt and self.ended_by in ("stopped", "damaged"):
                    continue  # cut off by us, or by damage to the file: the movie has no such frame
                if self._avi_index is not None:
                    self._avi_index.number(packet)
                end = self._source.file.tell()
                if packet.pos is not None:
                    end = min(end, packet.pos + packet.size)
                self._given_to = max(self._given_to, end)
                self._num_given += 1
                yield ArrivedPacket(packet, self._file.arrival_time_s(end))
                self._file.watch()
        except (av.error.FFmpegError, OSError) as error:
            # At the end of all, it is only a part of a frame that FFmpeg complains of.
            if self.ended_by is None or self._source.file.tell() < self._source.file.size:
                reason = error.strerror or type(error).__name__
                self._damage = f"cannot be read beyond frame {self._num_given} ({reason})"
        finally:
            self._is_over = True
        self._file.raise_interrupt()
        if self._damage is None:
            self._file.wait_for_end()  # an index may be written behind the last frame
        if self._avi_index is not None and self.ended_by in ("closed", "silent"):
            yield from self._lost_behind(self._avi_index)

    def _lost_behind(self, index: AviIndex) -> Iterator[ArrivedPacket]:
        """Yield an empty packet for each frame of an .avi of which only the beginning is there."""
        first = index.next_number
        for number in range(first, first + index.num_behind(self._file.size)):
            yield ArrivedPacket(packet_of(b"", number), self._file.arrival_time_s(self._file.size))

    @property
    def num_waiting_bytes(self) -> int:
        """Bytes behind the packet that was given last; 0 when there are no more."""
        return 0 if self._is_over else max(0, self._file.size - self._given_to)

    @property
    def ended_by(self) -> EndedBy | None:
        """Why nothing more comes; None while it may."""
        return "damaged" if self._damage is not None else self._file.ended_by

    @property
    def damage(self) -> str | None:
        """What is wrong with the file or its data, in one line; None for nothing."""
        return self._damage or self._file.damage

    def _wait_for_head(self) -> bytes:
        """Wait until a file's beginning tells what it is, or that FFmpeg has to find it out."""
        head = read_head(self._file.file)
        while container_format(head) is None and len(head) < TELLING_BYTES:
            if not self._file.wait_for(self._file.size + 1):
                break
            head = read_head(self._file.file)
        if not head:
            raise self._file.nothing_came()
        check_is_movie(self.path, head)
        return head

    def _wait_for_index(self) -> None:
        """Wait for the index of a .mp4: FFmpeg misreads one that it gets piece by piece."""
        while (kind := mp4_kind(self._file.file, self._file.size)) is None:
            if not self._file.wait_for(self._file.size + 1):
                raise self._file.nothing_came()
        if kind == "plain":
            name = format_name("mov", read_head(self._file.file))
            raise MovieError(self.path, _NOT_WHILE_IT_GROWS.format(name))
