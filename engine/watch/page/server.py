"""A small HTTP server of pages that wait for news: its address, its token, and its answers."""

from __future__ import annotations

import hmac
import os
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer, ThreadingMixIn
from threading import Condition, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from readers import InputError

TOKEN_VARIABLE = "POSESTREAM_PREVIEW_TOKEN"  # noqa: S105 -- the name of a variable
_SHORTEST = 16
_MOST_TOKEN_BYTES = 4096
_LAST_PORT = 65535
_ADDRESS = re.compile(r"(?:(?P<host>[^\[\]:]+|\[[^\[\]]+\]):)?(?P<port>[0-9]{1,5})", re.ASCII)

_MOST_CONNECTIONS = 32
_LONGEST_HEAD = 8192
_LONGEST_HEAD_S = 10.0
_LONGEST_ANSWER_S = 10.0
_LAST_ANSWERS_S = 1.0
_POLL_S = 0.05
_PAUSE_S = 0.005
"""After each connection, and each piece of a head that is not whole: so that a flood of them
leaves the processor to the run."""

_BEGINNING = b"GET /"
_END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(r"GET (?P<path>/[^ ?]*)(?:\?(?P<query>[^ ]*))? HTTP/1\.(?P<minor>[01])")


@dataclass(frozen=True)
class PageAddress:
    """An address to serve on, and what a request must carry."""

    host: str  # a name or an address of this machine, without brackets
    port: int  # 0 for any that is free
    token: str | None  # None on loopback only

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is an address of version 6."""
        return ":" in self.host

    @property
    def text(self) -> str:
        """Host and port as in a URL."""
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


def parse_address(text: str, token: str | None = None) -> PageAddress:
    """Read ``PORT`` (on 127.0.0.1) or ``HOST:PORT``, with an IPv6 address in brackets.

    Raises `ValueError`, in one line, if it is neither, if the port is above 65535, if the token has
    fewer than 16 characters, or if others than this machine's programs could reach it and there is
    none.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > _LAST_PORT:
        raise ValueError(
            f"preview must be PORT or HOST:PORT with a port of 0 to {_LAST_PORT}, such as 8080 or "
            f"[::1]:8080, got {text!r}"
        )
    host = (match["host"] or "127.0.0.1").strip("[]")
    if "[" in text:
        try:
            IPv6Address(host)
        except ValueError:
            problem = f"preview must have an IPv6 address in its brackets, got {text!r}"
            raise ValueError(problem) from None
    if token is not None and len(token) < _SHORTEST:
        raise ValueError(
            f"token of the preview must have at least {_SHORTEST} characters, got {len(token)}"
        )
    if token is None and not is_loopback(host):
        raise ValueError(
            f"preview can be seen by other machines at {host}: that needs a token of at least "
            f"{_SHORTEST} characters; without one, only loopback such as 127.0.0.1 is allowed"
        )
    return PageAddress(host, int(match["port"]), token)


def is_loopback(host: str) -> bool:
    """Tell whether a host, without brackets, is this machine as only its own programs see it.

    Of names, only ``localhost`` is: the meaning of others comes from a name server, which may be
    an attacker's.
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def find_token(text: str | None, path: Path | None) -> str | None:
    """Give the token that was written out, or is in a file, or else in the environment.

    Raises `ValueError`, in one line and without the token, if there are a text and a file, or the
    file cannot be read, can be read or written by other users, or is not one line of text.
    """
    if path is None:
        return os.environ.get(TOKEN_VARIABLE) or None if text is None else text
    if text is not None:
        raise ValueError("preview token: give it as text or as a file, not both")
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MOST_TOKEN_BYTES + 1)
    except OSError as error:
        raise ValueError(f"preview token file {path}: cannot be read ({error.strerror})") from error
    if os.name == "posix" and mode & 0o077:
        raise ValueError(
            f"preview token file {path}: other users may use it (mode {mode & 0o777:o}), must be "
            "yours alone: chmod 600 FILE"
        )
    token = content.decode(errors="surrogateescape").strip()
    if len(content) > _MOST_TOKEN_BYTES or not token.isprintable():
        raise ValueError(
            f"preview token file {path}: must hold one line of text, "
            f"at most {_MOST_TOKEN_BYTES} bytes"
        )
    return token


@dataclass(frozen=True)
class Response:
    """The answer to a request."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


Responder = Callable[[Mapping[str, str]], Response]  # answers the query of a request


@contextmanager
def serving(address: PageAddress, responders: Mapping[str, Responder]) -> Iterator[int]:
    """Answer GET requests by path within the block, and give the port.

    Each connection has a thread of its own, where a responder may wait. Before the block ends,
    those that wait should be made to return: requests that have come are still answered, and all
    threads have ended afterwards. Raises `InputError` if the address is not free, say.

    Requests that name another host than this machine are refused: a web site whose name was
    pointed at 127.0.0.1 ("DNS rebinding") could read the answers. With a token they must carry
    it, as ``?token=`` or ``Authorization: Bearer``.

    A request's head must be there after 10 s, with at most 8 KiB. Of 32 connections one gives way
    to a new one: first those that have not been admitted, of the address that has the most of
    them, and the oldest of these. A request that is refused ends its connection.
    """
    try:
        server = _Server(address, responders)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"preview cannot be served at {address.text} ({reason}): "
            "give another port, or 0 for any that is free"
        ) from error
    with server, ExitStack() as closing:  # the server waits for the threads of connections
        thread = Thread(target=server.serve_forever, args=(_POLL_S,), name="preview page")
        thread.start()
        closing.callback(thread.join)
        closing.callback(server.end_connections)
        closing.callback(server.shutdown)
        yield int(server.server_address[1])


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    host: str
    is_admitted: bool = False
    is_awaited: bool = False  # by a responder, which cannot be ended


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = False
    request_queue_size = 128
    allow_reuse_address = os.name != "nt"  # where it would take a port from another program

    def __init__(self, address: PageAddress, responders: Mapping[str, Responder]) -> None:
        self.address_family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
        self.responders = responders
        self.token = address.token
        self.must_be_loopback = is_loopback(address.host)
        self.is_closing = False
        self.connections: dict[socket.socket, _Connection] = {}  # the oldest first
        self._change = Condition()
        self._has_failed = False
        super().__init__((address.host, address.port), _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Take a connection if there is room, or another one gives way: each has a thread."""
        time.sleep(_PAUSE_S)
        with self._change:
            if len(self.connections) >= _MOST_CONNECTIONS:
                can_go = [one for one in self.connections.values() if not one.is_awaited]
                if not can_go:
                    return False
                num_of_host = Counter(one.host for one in can_go)
                leaving = min(can_go, key=lambda one: (one.is_admitted, -num_of_host[one.host]))
                del self.connections[leaving.socket]
                _shut(leaving.socket, socket.SHUT_RDWR)
            self.connections[request] = _Connection(request, client_address[0])
            return True

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        super().shutdown_request(request)
        with self._change:
            self.connections.pop(request, None)
            self._change.notify_all()

    def end_connections(self) -> None:
        """Let requests that have come be answered, and end all connections."""
        self.is_closing = True
        with self._change:
            for connection in self.connections:
                _shut(connection, socket.SHUT_RD)  # no more requests
            self._change.wait_for(lambda: not self.connections, _LAST_ANSWERS_S)
            for connection in self.connections:
                _shut(connection, socket.SHUT_RDWR)  # whose browser takes no answer

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 -- of TCPServer
        """Pass over a browser that is gone or slow; tell of anything else, once."""
        error = sys.exception()
        if isinstance(error, OSError) or self._has_failed:
            return
        self._has_failed = True
        with suppress(OSError):
            sys.stderr.write(f"preview: a request was not answered ({error!r})\n")


def _shut(connection: socket.socket, how: int) -> None:
    with suppress(OSError):  # it has ended by itself
        connection.shutdown(how)


class _Refusal(Exception):  # noqa: N818 -- an answer rather than an error
    def __init__(self, status: HTTPStatus, reason: str) -> None:
        self.response = Response(f"{reason}\n".encode(), status=status)


class _Request:
    """A request, from its head."""

    def __init__(self, head: bytes) -> None:
        line, *fields = head.decode("latin-1").split("\r\n")
        found = _REQUEST_LINE.fullmatch(line)
        if found is None:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "this is no GET request of HTTP/1")
        parts = (field.partition(":") for field in fields)
        self.headers = {name.lower(): value.strip() for name, _, value in parts}
        queries = parse_qs(found["query"] or "")
        self.path, self.query = found["path"], {name: q[-1] for name, q in queries.items()}
        self.is_last = (
            found["minor"] == "0" or self.headers.get("connection", "").lower() == "close"
        )

    @property
    def is_for_loopback(self) -> bool:
        """Whether it names this machine as its own programs see it."""
        try:
            host = urlsplit(f"//{self.headers.get('host', '')}").hostname
        except ValueError:
            return False
        return host is not None and is_loopback(host)


class _Handler(BaseRequestHandler):
    """Answers the requests of one connection."""

    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Answer until one is refused, or no more come."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        is_last = False
        try:
            while not is_last and (head := self._read_head()):
                request = _Request(head)
                response = self._respond(request)
                is_last = request.is_last or self.server.is_closing
                self._answer(response, is_last=is_last)
        except _Refusal as refusal:
            self._answer(refusal.response, is_last=True)

    def _read_head(self) -> bytes:
        """Give the next request's head, empty if none comes."""
        latest_s = time.monotonic() + _LONGEST_HEAD_S
        while _END not in self._received:
            if self._received[: len(_BEGINNING)] != _BEGINNING[: len(self._received)]:
                raise _Refusal(HTTPStatus.BAD_REQUEST, "this page answers GET requests of HTTP/1")
            if len(self._received) >= _LONGEST_HEAD:
                raise _Refusal(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"a request must have at most {_LONGEST_HEAD} bytes",
                )
            if self._received:
                time.sleep(_PAUSE_S)
            self.request.settimeout(max(_PAUSE_S, latest_s - time.monotonic()))
            received = self.request.recv(_LONGEST_HEAD - len(self._received))
            if not received or time.monotonic() > latest_s:
                return b""
            self._received += received
        head, _, self._received = self._received.partition(_END)
        return head

    def _respond(self, request: _Request) -> Response:
        """Answer a request, unless it names another host or lacks the token."""
        if self.server.must_be_loopback and not request.is_for_loopback:
            raise _Refusal(
                HTTPStatus.FORBIDDEN, "this page is for programs of the machine that it comes from"
            )
        if (token := self.server.token) is not None:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            texts = request.query.get("token", given), token
            if not hmac.compare_digest(*(text.encode(errors="surrogateescape") for text in texts)):
                raise _Refusal(
                    HTTPStatus.FORBIDDEN, "this page needs its token: add ?token=... to the address"
                )
        connection = self.server.connections.get(self.request)
        if connection is None:
            raise ConnectionAbortedError  # it has given way
        connection.is_admitted = True
        responder = self.server.responders.get(request.path)
        if responder is None:
            return Response(b"no such page\n", status=HTTPStatus.NOT_FOUND)
        connection.is_awaited = True
        try:
            return responder(request.query)
        finally:
            connection.is_awaited = False

    def _answer(self, response: Response, *, is_last: bool) -> None:
        headers = {
            "Content-Type": response.content_type,
            "Content-Length": str(len(response.body)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",  # the address may hold the token
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Connection": "close" if is_last else "keep-alive",
            **dict(response.headers),
        }
        if response.status == HTTPStatus.NO_CONTENT:
            del headers["Content-Length"]
        lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.request.settimeout(_LONGEST_ANSWER_S)
        self.request.sendall("\r\n".join(lines).encode() + _END + response.body)
