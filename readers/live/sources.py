"""What can be followed while it is recorded: a file, a folder of files, or a stream."""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from readers.container.feed import ContainerFeed, check_can_be_followed
from readers.crop import CropRectangle
from readers.errors import InputError, MovieError, movie_errors
from readers.ffmpeg import open_regular_file
from readers.file_kind import SUFFIXES, is_isxb, read_head
from readers.growing.clock import now_s
from readers.growing.feed import Feed
from readers.isxb.feed import IsxbFeed
from readers.live.folder import Folder
from readers.live.movie import LiveMovie
from readers.live.streams.connections import (
    Connection,
    FFmpegStream,
    HttpStream,
    PolledStream,
    open_device,
    open_url,
    tcp_client,
    udp_receiver,
)
from readers.live.streams.recorded_stream import RecordedStream, StreamFeed

_POLL_S = 0.01
_SETTLED_S = 1.0
"""A movie that has a successor has ended once nothing was added to it for so long."""
_STANDARD_INPUT = "-"
_DEVICE_PREFIX = "v4l2:"
_DEVICE = re.compile(r"/dev/video\d+")
_RECEIVED_HERE: dict[str, Callable[[SplitResult, float], Connection]] = {
    "udp": lambda url, end_s: PolledStream(partial(udp_receiver, url), end_s, is_datagrams=True),
    "tcp": lambda url, end_s: PolledStream(partial(tcp_client, url), end_s),
    "http": HttpStream,
    "https": HttpStream,
}
_RECEIVED_BY_FFMPEG = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtp,udp,tcp,tls",
    "rtp": "rtp,udp",
}
"""Schemes of URLs, and the protocols that each needs."""
_WITHOUT_PORT = ("http", "https", "rtsp", "rtsps")
"""Schemes that have a port of their own."""


class LiveSource(Protocol):
    """Where the movies of a recording come from, one after the other.

    Attributes
    ----------
    is_recorded
        Whether what comes is recorded here, rather than by another program.
    """

    is_recorded: bool

    def check(self) -> None:
        """Raise `InputError` for what cannot be followed, before any work."""

    def movies(self) -> Generator[LiveMovie, None, None]:
        """Yield each movie as soon as it has begun; ask for the next when the last has ended.

        Waits for it, and ends with the recording.
        """


def open_live(
    source: str,
    *,
    crop: CropRectangle | None,
    end_after_s: float,
    newest_only: bool,
    recording: Callable[[int], Path],
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = now_s,
) -> LiveSource:
    """Tell by what it is how a source is followed.

    Parameters
    ----------
    source
        A file, a folder, a named pipe, ``-`` for standard input, a capture device
        (``/dev/video0``, or ``v4l2:`` and a path), or a URL: udp, tcp, http, https, rtsp, rtsps,
        rtp.
    crop
        The part of each frame that is read; None for all of it.
    end_after_s
        Silence that is taken for the end of the recording.
    newest_only
        See `LiveMovie`.
    recording
        Gives the file to which the stream with that number is recorded.
    wait, clock
        Wait for a file to appear, and tell the time, in seconds.

    Raises
    ------
    InputError
        If it is nothing that can be followed. `LiveSource.check` looks further.
    """
    make_movie = partial(LiveMovie, crop=crop, newest_only=newest_only)
    is_url = "://" in source
    path = Path(source.removeprefix(_DEVICE_PREFIX))
    is_device = source.startswith(_DEVICE_PREFIX) or _DEVICE.fullmatch(source) is not None
    if is_url or is_device or source == _STANDARD_INPUT or _is_pipe(path):
        way = _device(path) if is_device else _pipe(source) if not is_url else _url(source)
        return _Stream(*way, make_movie, end_after_s, recording)
    with movie_errors(path):
        is_folder = path.is_dir()
    if is_folder:
        folder = Folder(path, SUFFIXES, clock)
        return _Files(folder, make_movie, end_after_s, wait, clock)
    return _File(path, make_movie, end_after_s, wait, clock)


@dataclass
class _File:
    """One file that is being written, or is about to be."""

    path: Path
    make_movie: Callable[[Feed], LiveMovie]
    end_after_s: float
    wait: Callable[[float], object]
    clock: Callable[[], float]
    is_recorded = False

    def check(self) -> None:
        with movie_errors(self.path):
            if not self.path.absolute().parent.is_dir():
                raise MovieError(self.path, "there is no such folder")
            if self.path.exists():
                if not self.path.is_file():
                    raise MovieError(self.path, "is no file, folder, pipe or capture device")
                check_can_be_followed(self.path)

    def movies(self) -> Generator[LiveMovie, None, None]:
        give_up_s = self.clock() + self.end_after_s
        while not self.path.exists():
            if self.clock() >= give_up_s:
                raise MovieError(self.path, f"did not appear within {self.end_after_s:g} s")
            self.wait(_POLL_S)
        yield self.make_movie(_file_feed(self.path, lambda: self.end_after_s))


@dataclass
class _Files:
    """A folder that a recorder fills with one file after the other."""

    folder: Folder
    make_movie: Callable[[Feed], LiveMovie]
    end_after_s: float
    wait: Callable[[float], object]
    clock: Callable[[], float]
    is_recorded = False

    def check(self) -> None:
        if not os.access(self.folder.path, os.R_OK | os.X_OK):
            raise MovieError(self.folder.path, "cannot be read")
        for path in self.folder.waiting():
            check_can_be_followed(path)

    def movies(self) -> Generator[LiveMovie, None, None]:
        ended_by = None
        while ended_by != "stopped":
            # A movie that ended by its silence was waited for long enough.
            patience_s = 0.0 if ended_by == "silent" else self.end_after_s
            path = self._next(patience_s)
            if path is None:
                return
            movie = self.make_movie(_file_feed(path, self._silence_s))
            yield movie
            ended_by = movie.ended_by

    def _next(self, patience_s: float) -> Path | None:
        give_up_s = self.clock() + patience_s
        while (path := self.folder.next()) is None and self.clock() < give_up_s:
            self.wait(_POLL_S)
        return path

    def _silence_s(self) -> float:
        """Silence that is taken for the end of the movie that is followed."""
        return min(_SETTLED_S, self.end_after_s) if self.folder.waiting() else self.end_after_s


@dataclass
class _Stream:
    """A stream, which is recorded as it comes."""

    name: str
    check: Callable[[], None]
    connection: Callable[[float], Connection]
    make_movie: Callable[[Feed], LiveMovie]
    end_after_s: float
    recording: Callable[[int], Path]
    is_recorded = True

    def movies(self) -> Generator[LiveMovie, None, None]:
        connection = self.connection(self.end_after_s)
        recorded = RecordedStream(self.name, connection, self.recording(0), self.end_after_s)
        yield self.make_movie(StreamFeed(recorded))


_Way = tuple[str, Callable[[], None], Callable[[float], Connection]]
"""A stream's name, its check, and what connects to it, given the silence that ends it."""


def _file_feed(path: Path, end_after_s: Callable[[], float]) -> Feed:
    with movie_errors(path), open_regular_file(path) as file:
        kind = IsxbFeed if is_isxb(path, read_head(file)) else ContainerFeed
    return kind(path, end_after_s=end_after_s)


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _pipe(source: str) -> _Way:
    is_standard_input = source == _STANDARD_INPUT
    name = "standard input" if is_standard_input else source

    def open_pipe(_: float) -> int:
        if is_standard_input:
            return os.dup(sys.stdin.fileno())
        return os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def check() -> None:
        if is_standard_input and (sys.stdin is None or sys.stdin.isatty()):
            what = "is closed" if sys.stdin is None else "is a terminal"
            raise InputError(f"standard input: {what}; a movie has to be written to it")

    return name, check, partial(PolledStream, open_pipe)


def _device(path: Path) -> _Way:
    def check() -> None:
        with movie_errors(path):
            if not path.exists():
                raise MovieError(path, "there is no such device")
            if not stat.S_ISCHR(path.stat().st_mode):
                raise MovieError(path, "is no capture device")

    return str(path), check, partial(FFmpegStream, partial(open_device, str(path)))


def _url(source: str) -> _Way:
    name = re.sub(r"//[^/]*@(?=[^/])", "//", source)  # without a password
    if not source.isprintable():
        raise MovieError(name, "an address has only characters that can be printed")
    try:
        url = urlsplit(source)
    except ValueError as error:
        raise MovieError(name, "is no address; write SCHEME://HOST:PORT") from error

    def connect(end_after_s: float) -> Connection:
        if url.scheme in _RECEIVED_HERE:
            return _RECEIVED_HERE[url.scheme](url, end_after_s)
        open_container = partial(open_url, source, _RECEIVED_BY_FFMPEG[url.scheme])
        return FFmpegStream(open_container, end_after_s)

    return name, partial(_check_url, url, name), connect


def _check_url(url: SplitResult, name: str) -> None:
    schemes = (*_RECEIVED_HERE, *_RECEIVED_BY_FFMPEG)
    if url.scheme not in schemes:
        raise MovieError(name, f"unknown kind of address; allowed are {', '.join(schemes)}")
    try:
        port = url.port
    except ValueError as error:
        raise MovieError(name, "its port must be a number from 1 to 65535") from error
    if url.scheme not in _WITHOUT_PORT and not port:
        raise MovieError(name, f"tells no port; write {url.scheme}://HOST:PORT")
    if url.scheme != "udp" and not url.hostname:
        raise MovieError(name, f"tells no host; write {url.scheme}://HOST:PORT")
