"""A movie of any camera that is being recorded: FFmpeg reads it as if from a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import av
import av.error
from av.video.stream import VideoStream

from readers.container.avi_index import AviIndex
from readers.container.mp4_tables import check_tables
from readers.container.parts import is_closed, mp4_kind
from readers.errors import MovieError
from readers.ffmpeg import Demuxer, demuxer, demuxer_of, other_videos, packet_of
from readers.file_kind import (
    TELLING_BYTES,
    check_is_movie,
    container_format,
    format_name,
    read_head,
)
from readers.growing.growing_file import ArrivedPacket, EndedBy, Feed

_NOT_WHILE_IT_GROWS = (
    "is a plain .{}, which cannot be read before its end, when the recorder writes its index; "
    "record a fragmented .mp4 or an .mkv, or run on it afterwards"
)


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
                self._source = self._resources.enter_context(demuxer(self.path, name))
            else:
                self._source = self._resources.enter_context(demuxer_of(self.path, file, name))
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
