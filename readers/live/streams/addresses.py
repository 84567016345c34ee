"""The addresses of streams: pipes, capture devices and URLs, and how each is connected to."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from readers.errors import InputError, MovieError, movie_errors
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


@dataclass(frozen=True)
class StreamAddress:
    """A stream that may be connected to.

    Attributes
    ----------
    name
        What it is called in messages: without a password.
    check
        Raises `InputError` for what cannot be connected to.
    connection
        Makes the way to it, given the silence in seconds that is taken for the end.
    """

    name: str
    check: Callable[[], None]
    connection: Callable[[float], Connection]


def stream_address(source: str) -> StreamAddress | None:
    """Tell what stream a source is, None where it is a file or a folder; see `open_live`."""
    if "://" in source:
        return _url(source)
    path = Path(source.removeprefix(_DEVICE_PREFIX))
    if source.startswith(_DEVICE_PREFIX) or _DEVICE.fullmatch(source):
        return _device(path)
    return _pipe(source) if source == _STANDARD_INPUT or _is_pipe(path) else None


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _pipe(source: str) -> StreamAddress:
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

    return StreamAddress(name, check, partial(PolledStream, open_pipe))


def _device(path: Path) -> StreamAddress:
    def check() -> None:
        with movie_errors(path):
            if not path.exists():
                raise MovieError(path, "there is no such device")
            if not stat.S_ISCHR(path.stat().st_mode):
                raise MovieError(path, "is no capture device")

    open_container = partial(open_device, str(path))
    return StreamAddress(str(path), check, partial(FFmpegStream, open_container))


def _url(source: str) -> StreamAddress:
    name = re.sub(r"//[^/]*@(?=[^/])", "//", source)  # without a password
    if not source.isprintable():
        raise MovieError(name, "an address has only characters that can be printed")
    try:
        url = urlsplit(source)
    except ValueError as error:
        raise MovieError(name, "is no address; write SCHEME://HOST:PORT") from error

    def check() -> None:
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

    def connect(end_after_s: float) -> Connection:
        if url.scheme in _RECEIVED_HERE:
            return _RECEIVED_HERE[url.scheme](url, end_after_s)
        open_container = partial(open_url, source, _RECEIVED_BY_FFMPEG[url.scheme])
        return FFmpegStream(open_container, end_after_s)

    return StreamAddress(name, check, connect)
