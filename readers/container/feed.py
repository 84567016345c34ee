"""Movies of any camera that are being recorded: FFmpeg reads them as if from a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO, cast

import av
import av.error
from av.video.stream import VideoStream

from readers.container.avi_index import AviIndex
from readers.container.file_ends import is_avi_closed, is_matroska_closed, is_mp4_closed, mp4_kind
from readers.container.mp4_tables import check_tables
from readers.errors import MovieError, movie_errors
from readers.ffmpeg import (
    Demuxer,
    WatchedFile,
    demuxer,
    demuxer_of,
    open_regular_file,
    other_videos,
)
from readers.file_kind import (
    NO_MOVIE,
    container_format,
    format_name,
    read_head,
    what_is_no_movie,
)
from readers.growing.clock import now_s
from readers.growing.feed import ArrivedPacket, EndedBy
from readers.growing.growing_file import GrowingFile

_CANNOT_BE_FOLLOWED = (
    "is a plain .{}, which cannot be read before its end, when the recorder writes its index; "
    "record a fragmented .mp4 or an .mkv, or run on it afterwards"
)

_Source = Demuxer[WatchedFile] | Demuxer[GrowingFile]


_CLOSED: dict[str, Callable[[IO[bytes], int], bool]] = {
    "avi": is_avi_closed,
    "mov": is_mp4_closed,
    "matroska": is_matroska_closed,
}
"""How to tell that a recorder is done with a file, by FFmpeg's name of its format."""
_TELLING_BYTES = 512
"""So much of a file's beginning tells what it is, if it is no movie."""


def check_can_be_followed(path: Path) -> None:
    """Raise `MovieError` for a plain .mp4 or .mov that is not finished, and for what is no movie.

    What is not known yet passes.
    """
    with movie_errors(path), open_regular_file(path) as file:
        head = read_head(file)
        no_movie = what_is_no_movie(head) if len(head) >= _TELLING_BYTES else None
        if no_movie is not None:
            raise MovieError(path, NO_MOVIE.format(no_movie))
        if container_format(head) == "mov" and mp4_kind(file, file.seek(0, 2)) == "plain":
            raise MovieError(path, _CANNOT_BE_FOLLOWED.format(format_name("mov", head)))


def _is_closed(file: IO[bytes], size: int) -> bool:
    """Tell whether a recorder is done with a file; most formats never do."""
    is_closed = _CLOSED.get(container_format(read_head(file)) or "")
    return is_closed is not None and is_closed(file, size)


class ContainerFeed:
    """Packets of an .avi, a fragmented .mp4, an .mkv, a .ts, or what else FFmpeg streams.

    See `Feed`.

    FFmpeg gives a frame of an .avi (MJPEG), .mp4 and .mkv as soon as its last byte is there. One
    of a .ts comes when two more have: what takes the stream apart and what finds its pictures each
    see the end of one in the beginning of the next. So does, by one, H.264 in an .avi. Before the
    first frame FFmpeg waits until it knows the frame rate: in a .mp4 and a .ts, which do not tell
    it, that takes 20 frames, and 40 of H.264 in an .avi.

    Parameters
    ----------
    path
        The file; what it holds tells its format.
    end_after_s
        Silence that is taken for the end.
    wait, clock
        As of `GrowingFile`.
    """

    is_recorded_here = False
    tells_times = True

    def __init__(
        self,
        path: Path,
        *,
        end_after_s: float | Callable[[], float],
        wait: Callable[[float], object] | None = None,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self.path = path
        self.format = ""
        self.notes: tuple[str, ...] = ()
        self._file = GrowingFile(path, _is_closed, end_after_s=end_after_s, wait=wait, clock=clock)
        self._resources = ExitStack()
        self._source: _Source | None = None
        self._avi_index: AviIndex | None = None
        self._given_to = 0
        self._num_given = 0
        self._is_over = False
        self._damage: str | None = None

    def open(self) -> None:
        """Wait until FFmpeg knows what is in the file."""
        self._resources.callback(self._file.close)
        with movie_errors(self.path):
            self._file.open()
            head = self._wait_for_head()
            if container_format(head) == "mov":
                self._wait_for_index()
                check_tables(self.path)
            try:
                source = self._open_source(container_format(head))
                self._source = self._resources.enter_context(source)
            except av.error.FFmpegError:
                self._file.raise_interrupt()
                if self.ended_by is None:
                    raise
                raise self._file.nothing_came() from None
            self._file.raise_interrupt()
        self.format = format_name(self._source.container.format.name, head)
        note = other_videos(self.stream)
        self.notes = () if note is None else (note,)
        if self.format == "avi":
            self._avi_index = AviIndex(self.stream)

    def close(self) -> None:
        """Close the file."""
        self._resources.close()

    @property
    def stream(self) -> VideoStream:
        """FFmpeg's stream of the file."""
        if self._source is None:
            raise ValueError("not opened")
        return self._source.stream

    def packets(self) -> Iterator[ArrivedPacket]:
        """Yield the file's packets; one that was cut off by the end of all is the last."""
        if self._source is None:
            raise ValueError("not opened")
        try:
            for packet in self._source.packets():
                if packet.is_corrupt and self.ended_by in ("stopped", "damaged"):
                    continue  # cut off by us, or by what befell the file: it is none of our frames
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
            packet = cast("av.Packet[VideoStream]", av.Packet())
            packet.pts = packet.dts = number
            yield ArrivedPacket(packet, self._file.arrival_time_s(self._file.size))

    def stop(self) -> None:
        """Take nothing that arrives from now on."""
        self._file.stop()

    def watch(self) -> None:
        """Look whether the file has grown."""
        self._file.watch()

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
        """What has happened to the file while it was followed, or is wrong with its data."""
        return self._damage or self._file.damage

    def _wait_for_head(self) -> bytes:
        """Wait until a file's beginning tells what it is, or that FFmpeg has to find it out."""
        head = read_head(self._file.file)
        while container_format(head) is None and len(head) < _TELLING_BYTES:
            if not self._file.wait_for(self._file.size + 1):
                break
            head = read_head(self._file.file)
        if not head:
            raise self._file.nothing_came()
        no_movie = what_is_no_movie(head)
        if no_movie is not None:
            raise MovieError(self.path, NO_MOVIE.format(no_movie))
        return head

    def _wait_for_index(self) -> None:
        """Wait for the index of a .mp4: FFmpeg misreads one that it gets piece by piece."""
        while (kind := mp4_kind(self._file.file, self._file.size)) is None:
            if not self._file.wait_for(self._file.size + 1):
                raise self._file.nothing_came()
        if kind == "plain":
            name = format_name("mov", read_head(self._file.file))
            raise MovieError(self.path, _CANNOT_BE_FOLLOWED.format(name))

    def _open_source(self, name: str | None) -> AbstractContextManager[_Source]:
        if _is_closed(self._file.file, self._file.size):
            return demuxer(self.path, name)
        return demuxer_of(self.path, self._file, name)
