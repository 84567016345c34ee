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

from readers.crop import CropRectangle
from readers.errors import InputError, MovieError, movie_errors
from readers.formats import check_live, open_feed, suffixes
from readers.growing.clock import now_s
from readers.live.folder import Folder
from readers.live.movie import LiveMovie
from readers.live.streams.byte_stream import ByteStream, HttpStream, PipeStream, SocketStream
from readers.live.streams.stream_feed import StreamFeed
from readers.live.streams.stream_input import (
    BytesInput,
    FFmpegInput,
    StreamInput,
    open_device,
    open_url,
)

_POLL_S = 0.01
_SETTLED_S = 1.0
"""A movie that has a successor has ended once nothing was added to it for so long."""
_STANDARD_INPUT = "-"
_DEVICE_PREFIX = "v4l2:"
_DEVICE = re.compile(r"/dev/video\d+")
_RECEIVED_HERE: dict[str, Callable[[SplitResult, float], ByteStream]] = {
    "udp": SocketStream,
    "tcp": SocketStream,
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
    is_url = "://" in source
    path = Path(source.removeprefix(_DEVICE_PREFIX))
    is_device = source.startswith(_DEVICE_PREFIX) or _DEVICE.fullmatch(source) is not None
    if is_url or is_device or source == _STANDARD_INPUT or _is_pipe(path):
        stream = _device(path) if is_device else _pipe(source) if not is_url else _url(source)
        return _Stream(stream, crop, end_after_s, newest_only, recording)
    with movie_errors(path):
        is_folder = path.is_dir()
    if is_folder:
        folder = Folder(path, suffixes(), clock)
        return _Files(folder, crop, end_after_s, newest_only, wait, clock)
    return _File(path, crop, end_after_s, newest_only, wait, clock)


@dataclass
class _File:
    """One file that is being written, or is about to be."""

    path: Path
    crop: CropRectangle | None
    end_after_s: float
    newest_only: bool
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
                check_live(self.path)

    def movies(self) -> Generator[LiveMovie, None, None]:
        give_up_s = self.clock() + self.end_after_s
        while not self.path.exists():
            if self.clock() >= give_up_s:
                raise MovieError(self.path, f"did not appear within {self.end_after_s:g} s")
            self.wait(_POLL_S)
        feed = open_feed(self.path, end_after_s=self.end_after_s)
        yield LiveMovie(feed, self.crop, newest_only=self.newest_only)


@dataclass
class _Files:
    """A folder that a recorder fills with one file after the other."""

    folder: Folder
    crop: CropRectangle | None
    end_after_s: float
    newest_only: bool
    wait: Callable[[float], object]
    clock: Callable[[], float]
    is_recorded = False

    def check(self) -> None:
        if not os.access(self.folder.path, os.R_OK | os.X_OK):
            raise MovieError(self.folder.path, "cannot be read")
        for path in self.folder.waiting():
            check_live(path)

    def movies(self) -> Generator[LiveMovie, None, None]:
        ended_by = None
        while ended_by != "stopped":
            # A movie that ended by its silence was waited for long enough.
            patience_s = 0.0 if ended_by == "silent" else self.end_after_s
            path = self._next(patience_s)
            if path is None:
                return
            movie = LiveMovie(
                open_feed(path, end_after_s=self._silence_s),
                self.crop,
                newest_only=self.newest_only,
            )
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


@dataclass(frozen=True)
class _OpenStream:
    """How a stream is opened."""

    name: str
    check: Callable[[], None]
    make_input: Callable[[float], StreamInput]


@dataclass
class _Stream:
    """A stream, which is recorded as it comes."""

    stream: _OpenStream
    crop: CropRectangle | None
    end_after_s: float
    newest_only: bool
    recording: Callable[[int], Path]
    is_recorded = True

    def check(self) -> None:
        self.stream.check()

    def movies(self) -> Generator[LiveMovie, None, None]:
        source = self.stream.make_input(self.end_after_s)
        feed = StreamFeed(self.stream.name, source, self.recording(0), self.end_after_s)
        yield LiveMovie(feed, self.crop, newest_only=self.newest_only)


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _pipe(source: str) -> _OpenStream:
    is_standard_input = source == _STANDARD_INPUT
    name = "standard input" if is_standard_input else source

    def open_pipe() -> int:
        if is_standard_input:
            return os.dup(sys.stdin.fileno())
        return os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def check() -> None:
        if is_standard_input and (sys.stdin is None or sys.stdin.isatty()):
            what = "is closed" if sys.stdin is None else "is a terminal"
            raise InputError(f"standard input: {what}; a movie has to be written to it")

    return _OpenStream(
        name, check, lambda end_s: BytesInput(name, PipeStream(open_pipe, end_s), end_s)
    )


def _device(path: Path) -> _OpenStream:
    def check() -> None:
        with movie_errors(path):
            if not path.exists():
                raise MovieError(path, "there is no such device")
            if not stat.S_ISCHR(path.stat().st_mode):
                raise MovieError(path, "is no capture device")

    return _OpenStream(
        str(path),
        check,
        lambda end_s: FFmpegInput(str(path), partial(open_device, str(path)), end_s),
    )


def _url(source: str) -> _OpenStream:
    name = re.sub(r"//[^/]*@(?=[^/])", "//", source)  # without a password
    if not source.isprintable():
        raise MovieError(name, "an address has only characters that can be printed")
    try:
        url = urlsplit(source)
    except ValueError as error:
        raise MovieError(name, "is no address; write SCHEME://HOST:PORT") from error

    def make_input(end_after_s: float) -> StreamInput:
        if url.scheme in _RECEIVED_HERE:
            return BytesInput(name, _RECEIVED_HERE[url.scheme](url, end_after_s), end_after_s)
        protocols = _RECEIVED_BY_FFMPEG[url.scheme]
        return FFmpegInput(name, partial(open_url, source, protocols, end_after_s), end_after_s)

    return _OpenStream(name, partial(_check_url, url, name), make_input)


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
