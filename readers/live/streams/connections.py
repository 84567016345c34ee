"""The addresses of streams, and the way to each: a pipe, a socket, HTTP, or FFmpeg's own."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, cast
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import av
import av.error
from av.container import InputContainer

from readers.errors import InputError, MovieError, movie_errors
from readers.ffmpeg import MOST_PIXELS, MOVIE_FORMATS
from readers.growing.growing_file import now_s

_FORMATS = f"{MOVIE_FORMATS},mpjpeg,jpeg_pipe"
"""In which video comes over a pipe or a network."""
_LONGEST_ANALYSIS_S = 60
_NUM_PACKETS_FOR_RATE = 3
"""Of a stream that does not tell its frame rate."""
_LONGEST_LOOK_S = 1.0
"""Time between two looks that counts as silence: more passes only while the process is stopped."""
_PIECE_BYTES = 2**16
_WISHED_BUFFER_BYTES = 2**22
"""For what comes while nothing is received; the system may give less."""
_REDIRECTIONS = (301, 302, 303, 307, 308)
_MOST_REDIRECTIONS = 5
_STANDARD_INPUT = "-"
_DEVICE_PREFIX = "v4l2:"
_DEVICE = re.compile(r"/dev/video\d+")


class Connection:
    """A stream that FFmpeg receives and takes apart; one thread opens, reads and closes it.

    `open_container` opens it, given the silence that is taken for the end.

    Attributes
    ----------
    end_after_s
        That silence.
    is_received_here
        Whether FFmpeg reads it through this object. It can then be called off, and FFmpeg still
        gives the pictures that it has.
    is_over
        Whether no more will come, as far as this object knows.
    error
        What went wrong while it was received; None for nothing.
    """

    is_received_here = False
    is_over = False
    error: OSError | None = None

    def __init__(
        self, open_container: Callable[[float], InputContainer], end_after_s: float
    ) -> None:
        self._open_container = open_container
        self.end_after_s = end_after_s
        self._silence_s = 0.0
        self._last_look_s = now_s()

    def open(self) -> InputContainer:
        """Wait until FFmpeg knows the stream; raise its errors, or `OSError`."""
        return self._open_container(self.end_after_s)

    def note_packet(self) -> None:
        """Note that a packet has come."""
        self._silence_s = 0.0

    def is_silent(self) -> bool:
        """Tell whether nothing has come for too long; to be asked again and again."""
        look_s = now_s()
        self._silence_s += min(look_s - self._last_look_s, _LONGEST_LOOK_S)
        self._last_look_s = look_s
        return self._silence_s >= self.end_after_s

    def stop(self) -> None:
        """Let no more come, where that can be. From any thread."""

    def close(self) -> None:
        """Let go of everything; more than once, and also where `open` has failed."""


class ByteStream(Connection):
    """A stream of bytes: for FFmpeg a file that cannot be moved about in."""

    is_received_here = True

    def __init__(self, source: Polled | Http, end_after_s: float) -> None:
        super().__init__(self._open_file, end_after_s)
        self._source = source
        self._is_silent = False
        self._rest = b""

    def _open_file(self, end_after_s: float) -> InputContainer:
        self._source.connect(end_after_s)
        return av.open(
            cast(IO[bytes], self),  # PyAV needs no more of it
            "r",
            options=_options("none") | {"format_whitelist": _FORMATS},
            metadata_errors="replace",
        )

    def is_silent(self) -> bool:
        """Tell whether no bytes have come for too long."""
        return self._is_silent

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes, waiting for the first of them; none at the end."""
        if not self._rest and not self.is_over:
            data, error, is_silent = b"", None, False
            try:
                data = self._source.receive(self.end_after_s)
            except TimeoutError:
                is_silent = True
            except (OSError, HTTPException) as problem:
                error = problem if isinstance(problem, OSError) else OSError(str(problem))
            if not self.is_over:  # else it was stopped meanwhile
                self._rest, self.error, self._is_silent = data, error, is_silent
                self.is_over = not data
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def stop(self) -> None:
        """Let no more bytes come, and end the waiting for them. From any thread."""
        self.is_over = True
        with suppress(OSError):  # closed already
            self._source.stop()

    def close(self) -> None:
        """Let go of the source."""
        self._source.resources.close()


class Polled:
    """The bytes of a pipe or a socket.

    `open_source` gives its number, given the longest time that it may take. An empty piece says
    that it has ended, but nothing where it `is_datagrams`.
    """

    def __init__(self, open_source: Callable[[float], int], *, is_datagrams: bool = False) -> None:
        self._open_source, self._is_datagrams = open_source, is_datagrams
        self.resources = ExitStack()
        listener, self._caller = map(self.resources.enter_context, socket.socketpair())
        self._listener_number = listener.fileno()
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)

    def connect(self, timeout_s: float) -> None:
        """Begin; raise `OSError` where nothing is there."""
        self._source = self._open_source(timeout_s)
        self.resources.callback(os.close, self._source)
        self._poll.register(self._source, select.POLLIN)

    def receive(self, timeout_s: float) -> bytes:
        """Wait for bytes; none at the end. `TimeoutError` if none come for too long."""
        while ready := self._poll.poll(1000 * timeout_s):
            if self._listener_number in dict(ready):
                return b""
            with suppress(BlockingIOError):
                data = os.read(self._source, _PIECE_BYTES)
                if data or not self._is_datagrams:
                    return data
        raise TimeoutError

    def stop(self) -> None:
        """End the waiting for bytes, for good."""
        self._caller.send(b"\x00")


class Http:
    """A server's answer to one HTTP request; see `Polled`.

    A name and password in the URL are sent (basic authentication).
    """

    def __init__(self, url: SplitResult) -> None:
        self._url = url
        self.resources = ExitStack()
        self._socket: socket.socket | None = None

    def connect(self, timeout_s: float) -> None:
        """Ask the server; raise `OSError` unless it sends a movie."""
        try:
            url = self._url
            for _ in range(_MOST_REDIRECTIONS):
                response = self._response = self._ask(url, timeout_s)
                location = response.headers.get("Location")
                if response.status not in _REDIRECTIONS or not location:
                    break
                self.resources.close()
                url = urlsplit(urljoin(url.geturl(), location))  # without the first one's password
                if url.scheme not in ("http", "https"):
                    kind = f"another kind of address ({url.scheme})"
                    raise OSError(f"the server sends one on to {kind}")
            if response.status != HTTPStatus.OK:
                raise OSError(f"the server answered {response.status} {response.reason}")
        except HTTPException as error:
            raise OSError(f"the server does not speak HTTP ({error!r})") from error

    def _ask(self, url: SplitResult, timeout_s: float) -> HTTPResponse:
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=timeout_s)
        self.resources.callback(connection.close)
        connection.connect()
        self._socket = connection.sock
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {}
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        connection.request("GET", target, headers=headers)
        return self.resources.enter_context(connection.getresponse())

    def receive(self, _: float) -> bytes:
        """Wait for bytes, as long as `connect` was told."""
        return self._response.read1(_PIECE_BYTES)

    def stop(self) -> None:
        """End the waiting for bytes, for good."""
        if self._socket is not None:
            self._socket.shutdown(socket.SHUT_RDWR)


def _options(protocols: str) -> dict[str, str]:
    """Give what FFmpeg opens any stream with: it reaches no more than these protocols allow."""
    return {
        "protocol_whitelist": protocols,
        "max_pixels": str(MOST_PIXELS),
        "analyzeduration": str(_LONGEST_ANALYSIS_S * 1_000_000),
        "fpsprobesize": str(_NUM_PACKETS_FOR_RATE),
    }


def open_url(url: str, protocols: str, end_after_s: float) -> InputContainer:
    """Let FFmpeg open a URL, and nothing else than that; every wait of it ends."""
    longest_wait_s = 2 * end_after_s  # ours ends first: FFmpeg tells its own in many ways
    prefer_tcp = {"rtsp_flags": "prefer_tcp"}  # which loses nothing
    return av.open(
        url,
        "r",
        options=_options(protocols) | (prefer_tcp if url.startswith("rtsp") else {}),
        metadata_errors="replace",
        timeout=(longest_wait_s, longest_wait_s),
    )


def tcp_client(url: SplitResult, timeout_s: float) -> int:
    """Connect to a server; give the socket's number."""
    client = socket.create_connection((url.hostname or "", url.port or 0), timeout=timeout_s)
    client.setblocking(False)
    return client.detach()


def udp_receiver(url: SplitResult, _: float) -> int:
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


_RECEIVED_HERE: dict[str, Callable[[SplitResult], Polled | Http]] = {
    "udp": lambda url: Polled(partial(udp_receiver, url), is_datagrams=True),
    "tcp": lambda url: Polled(partial(tcp_client, url)),
    "http": Http,
    "https": Http,
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
    """A stream that may be connected to; its name in messages, without a password.

    `connection` makes the way to it, given the silence in seconds that is taken for the end.
    `check` raises `InputError` where there is nothing to connect to, as far as is known before.
    """

    name: str
    connection: Callable[[float], Connection]
    check: Callable[[], None] = lambda: None


def stream_address(source: str) -> StreamAddress | None:
    """Tell what stream a source is, None where it is a file or a folder; see `open_live`.

    Raises `InputError` for an address that cannot be.
    """
    if "://" in source:
        return _url(source)
    path = Path(source.removeprefix(_DEVICE_PREFIX))
    if source.startswith(_DEVICE_PREFIX) or _DEVICE.fullmatch(source):
        return _device(path)
    is_pipe = source == _STANDARD_INPUT
    with suppress(OSError):
        is_pipe = is_pipe or path.is_fifo()
    return _pipe(source) if is_pipe else None


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

    return StreamAddress(name, lambda end_s: ByteStream(Polled(open_pipe), end_s), check)


def _device(path: Path) -> StreamAddress:
    def check() -> None:
        with movie_errors(path):
            if not path.exists():
                raise MovieError(path, "there is no such device")
            if not path.is_char_device():
                raise MovieError(path, "is no capture device")

    def open_device(_: float) -> InputContainer:
        try:
            return av.open(str(path), "r", format="v4l2", options={"input_format": "mjpeg"})
        except av.error.FFmpegError:  # it has no JPEGs
            return av.open(str(path), "r", format="v4l2")

    return StreamAddress(str(path), partial(Connection, open_device), check)


def _url(source: str) -> StreamAddress:
    name = re.sub(r"//[^/]*@(?=[^/])", "//", source)  # without a password
    if not source.isprintable():
        raise MovieError(name, "an address has only characters that can be printed")
    try:
        url = urlsplit(source)
    except ValueError as error:
        raise MovieError(name, "is no address; write SCHEME://HOST:PORT") from error

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
    if url.scheme in _RECEIVED_HERE:
        make_source = _RECEIVED_HERE[url.scheme]
        return StreamAddress(name, lambda end_s: ByteStream(make_source(url), end_s))
    open_container = partial(open_url, source, _RECEIVED_BY_FFMPEG[url.scheme])
    return StreamAddress(name, partial(Connection, open_container))
