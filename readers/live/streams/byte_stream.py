"""Bytes that come in over a pipe or a network, and that can be waited for no longer at once."""

from __future__ import annotations

import os
import select
import socket
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Event
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from readers.growing.feed import EndedBy

_PIECE_BYTES = 2**16
_WISHED_BUFFER_BYTES = 2**22
"""For what comes while nobody receives; the system may give less."""
_OK = 200
_REDIRECTIONS = (301, 302, 303, 307, 308)
_MOST_REDIRECTIONS = 5


class ByteStream(ABC):
    """What FFmpeg reads a stream through: a file that cannot be moved about in.

    One thread reads, any may stop.

    Attributes
    ----------
    ended_by
        Why no more will come; None while more may.
    error
        What went wrong while it was read; None where nothing did.
    interrupt
        The interrupt that came while FFmpeg was reading, and that FFmpeg would have lost.
    """

    size = 0

    def __init__(self, end_after_s: float) -> None:
        self._end_after_s = end_after_s
        self._stopped = Event()
        self._rest = b""
        self._position = 0
        self.ended_by: EndedBy | None = None
        self.error: OSError | None = None
        self.interrupt: KeyboardInterrupt | None = None

    @abstractmethod
    def open(self) -> None:
        """Begin; raise `OSError` where nobody is there."""

    @abstractmethod
    def _next(self) -> bytes:
        """Wait for bytes; none at the end. `TimeoutError` if none come for too long."""

    @abstractmethod
    def _wake(self) -> None:
        """End the waiting for bytes."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; more than once, and also where `open` has failed."""

    def seekable(self) -> bool:
        """Tell FFmpeg that it cannot move about."""
        return False

    def tell(self) -> int:
        """Position in bytes from the start."""
        return self._position

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes, waiting for the first of them; none at the end."""
        try:
            if not self._rest:
                self._rest = self._received()
        except KeyboardInterrupt as interrupt:
            self.interrupt = interrupt
            self.ended_by = "stopped"
        piece, self._rest = self._rest[:size], self._rest[size:]
        self._position += len(piece)
        return piece

    def stop(self) -> None:
        """Let no more bytes come. From any thread."""
        self._stopped.set()
        self._wake()

    def _received(self) -> bytes:
        if self.ended_by is not None:
            return b""
        data = b""
        try:
            data = b"" if self._stopped.is_set() else self._next()
            if not data:
                self.ended_by = "closed"
        except TimeoutError:
            self.ended_by = "silent"
        except (OSError, HTTPException) as error:
            self.error = error if isinstance(error, OSError) else OSError(str(error))
            self.ended_by = "damaged"
        if self._stopped.is_set():
            self.ended_by, self.error = "stopped", None
            return b""
        return data


class _PolledStream(ByteStream):
    """Waits for a pipe or a socket, and for a word to stop."""

    def __init__(self, end_after_s: float) -> None:
        super().__init__(end_after_s)
        self._poll = select.poll()
        self._listener, self._caller = socket.socketpair()
        self._poll.register(self._listener, select.POLLIN)

    def _next(self) -> bytes:
        while True:
            ready = self._poll.poll(1000 * self._end_after_s)
            if not ready:
                raise TimeoutError
            if self._stopped.is_set():
                return b""
            with suppress(BlockingIOError):
                return self._receive()

    @abstractmethod
    def _receive(self) -> bytes:
        """Take the bytes that are there."""

    def _wake(self) -> None:
        with suppress(OSError):  # closed already
            self._caller.send(b"\x00")

    def close(self) -> None:
        """Close both ends of the wire to whoever stops."""
        self._listener.close()
        self._caller.close()


class PipeStream(_PolledStream):
    """What another program writes to a pipe.

    Parameters
    ----------
    open_pipe
        Gives the pipe's number.
    end_after_s
        Silence that is taken for the end.
    """

    def __init__(self, open_pipe: Callable[[], int], end_after_s: float) -> None:
        super().__init__(end_after_s)
        self._open_pipe = open_pipe
        self._pipe: int | None = None

    def open(self) -> None:
        """Open the pipe; nobody needs to write yet."""
        self._pipe = self._open_pipe()
        self._poll.register(self._pipe, select.POLLIN)

    def _receive(self) -> bytes:
        if self._pipe is None:
            return b""
        return os.read(self._pipe, _PIECE_BYTES)

    def close(self) -> None:
        """Close the pipe."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            os.close(pipe)
        super().close()


class SocketStream(_PolledStream):
    """What is sent to a UDP port of this machine, or by a TCP server.

    Parameters
    ----------
    url
        ``udp://HOST:PORT`` with an address of this machine, a multicast group, or none for any;
        ``tcp://HOST:PORT`` of a server.
    end_after_s
        Silence that is taken for the end.
    """

    def __init__(self, url: SplitResult, end_after_s: float) -> None:
        super().__init__(end_after_s)
        self._host, self._port = (url.hostname or "").lstrip("@"), url.port or 0
        self._is_udp = url.scheme == "udp"
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Bind the port, or connect to the server."""
        if self._is_udp:
            self._socket = _bound(self._host, self._port)
        else:
            address = (self._host, self._port)
            self._socket = socket.create_connection(address, timeout=self._end_after_s)
        self._socket.setblocking(False)
        self._poll.register(self._socket, select.POLLIN)

    def _receive(self) -> bytes:
        if self._socket is None:
            return b""
        data = self._socket.recv(_PIECE_BYTES)
        if not data and self._is_udp:
            raise BlockingIOError  # an empty datagram says nothing
        return data

    def close(self) -> None:
        """Let go of the port, or of the server."""
        if self._socket is not None:
            self._socket.close()
        super().close()


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, family=0 if host else socket.AF_INET, type=socket.SOCK_DGRAM,
        flags=socket.AI_PASSIVE,
    )[0]  # fmt: skip
    receiver = socket.socket(family, kind, protocol)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WISHED_BUFFER_BYTES)
        if family == socket.AF_INET and 224 <= int(str(address[0]).split(".")[0]) <= 239:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            group = socket.inet_aton(str(address[0])) + socket.inet_aton("0.0.0.0")  # noqa: S104 (any interface)
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        receiver.bind(address)
    except OSError:
        receiver.close()
        raise
    return receiver


class HttpStream(ByteStream):
    """What a server answers to one HTTP request, for as long as it answers.

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

    def open(self) -> None:
        """Ask; raise `OSError` for an answer that is none."""
        try:
            url = self._url
            for _ in range(_MOST_REDIRECTIONS):
                response = self._response = self._ask(url)
                location = response.headers.get("Location")
                if response.status not in _REDIRECTIONS or not location:
                    break
                self.close()
                url = _redirected(url, location)
            if response.status != _OK:
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
        connection.request("GET", target, headers=_credentials(url))
        return connection.getresponse()

    def _next(self) -> bytes:
        return b"" if self._response is None else self._response.read1(_PIECE_BYTES)

    def _wake(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # closed already
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._response is not None:
            self._response.close()
        if self._connection is not None:
            self._connection.close()


def _redirected(url: SplitResult, location: str) -> SplitResult:
    """Tell where to go on; other servers than the first are not told its password."""
    target = urlsplit(urljoin(url.geturl(), location))
    if target.scheme not in ("http", "https"):
        raise OSError(f"the server sends one on to another kind of address ({target.scheme})")
    return target


def _credentials(url: SplitResult) -> dict[str, str]:
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": "Basic " + b64encode(pair.encode()).decode()}
