"""The ways to a stream: bytes of pipes, sockets and HTTP, and what FFmpeg receives by itself."""

from __future__ import annotations

import os
import select
import socket
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import IO, cast
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import av
import av.error
from av.container import InputContainer

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


class Connection(ABC):
    """A stream that FFmpeg takes apart; one thread opens, reads and closes it.

    Parameters
    ----------
    end_after_s
        Silence that is taken for the end.

    Attributes
    ----------
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

    def __init__(self, end_after_s: float) -> None:
        self._end_after_s = end_after_s

    @abstractmethod
    def open(self) -> InputContainer:
        """Wait until FFmpeg knows the stream; raise its errors, or `OSError`."""

    @abstractmethod
    def is_silent(self) -> bool:
        """Tell whether nothing has come for too long; to be asked again and again."""

    def note_packet(self) -> None:  # noqa: B027 (most need nothing)
        """Note that a packet has come."""

    def stop(self) -> None:  # noqa: B027
        """Let no more come. From any thread."""

    def close(self) -> None:  # noqa: B027
        """Let go of everything; more than once, and also where `open` has failed."""


class FFmpegStream(Connection):
    """A stream that FFmpeg receives itself, and that cannot be called off.

    Parameters
    ----------
    open_container
        Opens it, given the silence that is taken for the end.
    end_after_s
        See `Connection`.
    """

    def __init__(
        self, open_container: Callable[[float], InputContainer], end_after_s: float
    ) -> None:
        super().__init__(end_after_s)
        self._open_container = open_container
        self._silence_s = 0.0
        self._last_look_s = now_s()

    def open(self) -> InputContainer:
        """Wait until FFmpeg knows what comes."""
        return self._open_container(self._end_after_s)

    def note_packet(self) -> None:
        """End the silence."""
        self._silence_s = 0.0

    def is_silent(self) -> bool:
        """Tell whether no packet has come for too long."""
        look_s = now_s()
        self._silence_s += min(look_s - self._last_look_s, _LONGEST_LOOK_S)
        self._last_look_s = look_s
        return self._silence_s >= self._end_after_s


class ByteStream(Connection):
    """A stream of bytes: for FFmpeg a file that cannot be moved about in."""

    is_received_here = True
    size = 0

    def __init__(self, end_after_s: float) -> None:
        super().__init__(end_after_s)
        self._is_silent = False
        self._rest = b""
        self._position = 0

    @abstractmethod
    def _connect(self) -> None:
        """Begin; raise `OSError` where nothing is there."""

    @abstractmethod
    def _next(self) -> bytes:
        """Wait for bytes; none at the end. `TimeoutError` if none come for too long."""

    def open(self) -> InputContainer:
        """Begin to receive, and wait until FFmpeg knows what comes."""
        self._connect()
        return av.open(
            cast(IO[bytes], self),  # PyAV needs no more of it
            "r",
            options=_options("none") | {"format_whitelist": _FORMATS},
            metadata_errors="replace",
        )

    def is_silent(self) -> bool:
        """Tell whether no bytes have come for too long."""
        return self._is_silent

    def seekable(self) -> bool:
        """Tell FFmpeg that it cannot move about."""
        return False

    def tell(self) -> int:
        """Position in bytes from the start."""
        return self._position

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes, waiting for the first of them; none at the end."""
        if not self._rest and not self.is_over:
            data, error, is_silent = b"", None, False
            try:
                data = self._next()
            except TimeoutError:
                is_silent = True
            except (OSError, HTTPException) as problem:
                error = problem if isinstance(problem, OSError) else OSError(str(problem))
            if not self.is_over:  # else it was stopped meanwhile
                self._rest, self.error, self._is_silent = data, error, is_silent
                self.is_over = not data
        piece, self._rest = self._rest[:size], self._rest[size:]
        self._position += len(piece)
        return piece


class PolledStream(ByteStream):
    """Bytes from a pipe or a socket; `stop` ends the waiting for them at once.

    Parameters
    ----------
    connect
        Gives the number of the pipe or socket, given the longest time that it may take.
    end_after_s
        See `Connection`.
    is_datagrams
        Whether an empty piece says nothing, rather than that the stream has ended.
    """

    def __init__(
        self, connect: Callable[[float], int], end_after_s: float, *, is_datagrams: bool = False
    ) -> None:
        super().__init__(end_after_s)
        self._open, self._is_datagrams = connect, is_datagrams
        self._source: int | None = None
        self._listener, self._caller = socket.socketpair()
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)

    def _connect(self) -> None:
        self._source = self._open(self._end_after_s)
        self._poll.register(self._source, select.POLLIN)

    def _next(self) -> bytes:
        while self._source is not None:
            if not self._poll.poll(1000 * self._end_after_s):
                raise TimeoutError
            if self.is_over:
                break
            with suppress(BlockingIOError):
                data = os.read(self._source, _PIECE_BYTES)
                if data or not self._is_datagrams:
                    return data
        return b""

    def stop(self) -> None:
        """Let no more bytes come, and end the waiting for them. From any thread."""
        self.is_over = True
        with suppress(OSError):  # closed already
            self._caller.send(b"\x00")

    def close(self) -> None:
        """Close the pipe or socket, and both ends of the wire that `stop` uses."""
        source, self._source = self._source, None
        if source is not None:
            os.close(source)
        self._listener.close()
        self._caller.close()


class HttpStream(ByteStream):
    """A server's answer to one HTTP request, for as long as it lasts.

    Parameters
    ----------
    url
        ``http://`` or ``https://``; a name and password in it are sent (basic authentication).
    end_after_s
        Silence that is taken for the end.
    """

    def __init__(self, url: SplitResult, end_after_s: float) -> None:
        super().__init__(end_after_s)
        self._url = url
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._response: HTTPResponse | None = None

    def _connect(self) -> None:
        """Ask the server; raise `OSError` unless it sends a movie."""
        try:
            url = self._url
            for _ in range(_MOST_REDIRECTIONS):
                response = self._response = self._ask(url)
                location = response.headers.get("Location")
                if response.status not in _REDIRECTIONS or not location:
                    break
                self.close()
                url = urlsplit(urljoin(url.geturl(), location))  # without the first one's password
                if url.scheme not in ("http", "https"):
                    kind = f"another kind of address ({url.scheme})"
                    raise OSError(f"the server sends one on to {kind}")
            if response.status != HTTPStatus.OK:
                raise OSError(f"the server answered {response.status} {response.reason}")
        except HTTPException as error:
            raise OSError(f"the server does not speak HTTP ({error!r})") from error

    def _ask(self, url: SplitResult) -> HTTPResponse:
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=self._end_after_s)
        self._connection = connection
        connection.connect()
        self._socket = connection.sock
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {}
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        connection.request("GET", target, headers=headers)
        return connection.getresponse()

    def _next(self) -> bytes:
        return b"" if self._response is None else self._response.read1(_PIECE_BYTES)

    def stop(self) -> None:
        """Let no more bytes come, and end the waiting for them. From any thread."""
        self.is_over = True
        if self._socket is not None:
            with suppress(OSError):  # closed already
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._response is not None:
            self._response.close()
        if self._connection is not None:
            self._connection.close()


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


def open_device(path: str, _: float) -> InputContainer:
    """Let FFmpeg open a capture device: for JPEGs if it has any, else for what it has."""
    try:
        return av.open(path, "r", format="v4l2", options={"input_format": "mjpeg"})
    except av.error.FFmpegError:
        return av.open(path, "r", format="v4l2")


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
