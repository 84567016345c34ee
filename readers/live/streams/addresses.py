"""The addresses of streams: pipes, capture devices and URLs, and how each is connected to."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import av
import av.error
from av.container import InputContainer

from readers.errors import InputError, MovieError, movie_errors
from readers.live.streams.connections import (
    Connection,
    FFmpegStream,
    HttpStream,
    PolledStream,
    options,
)

_WISHED_BUFFER_BYTES = 2**22
"""For what comes while nothing is received; the system may give less."""
_STANDARD_INPUT = "-"
_DEVICE_PREFIX = "v4l2:"
_DEVICE = re.compile(r"/dev/video\d+")
_RECEIVED_HERE: dict[str, Callable[[SplitResult, float], Connection]] = {
    "udp": lambda url, end_s: PolledStream(partial(_udp_receiver, url), end_s, is_datagrams=True),
    "tcp": lambda url, end_s: PolledStream(partial(_tcp_client, url), end_s),
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

    open_container = partial(_open_device, str(path))
    return StreamAddress(str(path), check, partial(FFmpegStream, open_container))


def _url(source: str) -> StreamAddress:
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
        open_container = partial(_open_url, source, _RECEIVED_BY_FFMPEG[url.scheme])
        return FFmpegStream(open_container, end_after_s)

    return StreamAddress(name, partial(_check_url, url, name), connect)


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


def _open_url(url: str, protocols: str, end_after_s: float) -> InputContainer:
    """Let FFmpeg open a URL, and nothing else than that; every wait of it ends."""
    longest_wait_s = 2 * end_after_s  # ours ends first: FFmpeg tells its own in many ways
    prefer_tcp = {"rtsp_flags": "prefer_tcp"}  # which loses nothing
    return av.open(
        url,
        "r",
        options=options(protocols) | (prefer_tcp if url.startswith("rtsp") else {}),
        metadata_errors="replace",
        timeout=(longest_wait_s, longest_wait_s),
    )


def _open_device(path: str, _: float) -> InputContainer:
    """Let FFmpeg open a capture device: for JPEGs if it has any, else for what it has."""
    try:
        return av.open(path, "r", format="v4l2", options={"input_format": "mjpeg"})
    except av.error.FFmpegError:
        return av.open(path, "r", format="v4l2")


def _tcp_client(url: SplitResult, timeout_s: float) -> int:
    """Connect to a server; give the socket's number."""
    client = socket.create_connection((url.hostname or "", url.port or 0), timeout=timeout_s)
    client.setblocking(False)
    return client.detach()


def _udp_receiver(url: SplitResult, _: float) -> int:
    """Bind a port; give the socket's number.

    The host is an address of this machine, a multicast group, or none for any.
    """
    host = (url.hostname or "").lstrip("@")
    family, kind, protocol, _canonical_name, address = socket.getaddrinfo(
        host or None, url.port or 0, family=0 if host else socket.AF_INET, type=socket.SOCK_DGRAM,
        flags=socket.AI_PASSIVE,
    )[0]  # fmt: skip
    with socket.socket(family, kind, protocol) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WISHED_BUFFER_BYTES)
        if family == socket.AF_INET and 224 <= int(str(address[0]).split(".")[0]) <= 239:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            group = socket.inet_aton(str(address[0])) + socket.inet_aton("0.0.0.0")  # noqa: S104 (any interface)
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        receiver.bind(address)
        receiver.setblocking(False)
        return receiver.detach()
