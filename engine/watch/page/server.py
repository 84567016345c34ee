"""A small HTTP server of pages that wait for news."""

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
from socketserver import BaseRequestHandler, TCPServer, ThreadingMixIn
from threading import Condition, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from engine.watch.page.address import PageAddress, is_loopback
from readers import InputError

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
class Response:
    """The answer to a request."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


Responder = Callable[[Mapping[str, str]], Response]
"""Answers the query of a request, in the thread of its connection, where it may wait."""


@contextmanager
def serving(
    address: PageAddress, responders: Mapping[str, Responder], at_closing: Callable[[], None]
) -> Iterator[int]:
    """Answer GET requests within the block, each connection in a thread of its own; give the port.

    Requests that name another host than this machine are refused: a web site whose name was
    pointed at 127.0.0.1 ("DNS rebinding") could read the answers. With a token they must carry
    it, as ``?token=`` or ``Authorization: Bearer``. At closing, requests that have come are
    still answered, and all threads have ended afterwards.

    A request's head must be there after 10 s, with at most 8 KiB. Of 32 connections one gives way
    to a new one: first those that have not been admitted, of the address that has the most of
    them, and the oldest of these. A request that is refused ends its connection.

    Parameters
    ----------
    address
        The address to listen on.
    responders
        By path.
    at_closing
        Called at closing, first: responders that wait should return.

    Raises
    ------
    InputError
        If the address is not free, say.
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
        closing.callback(at_closing)
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
            if len(self.connections) >= _MOST_CONNECTIONS and not self._make_room():
                return False
            self.connections[request] = _Connection(request, client_address[0])
            return True

    def _make_room(self) -> bool:
        can_go = [one for one in self.connections.values() if not one.is_awaited]
        if not can_go:
            return False
        num_of_host = Counter(one.host for one in can_go)
        leaving = min(can_go, key=lambda one: (one.is_admitted, -num_of_host[one.host]))
        del self.connections[leaving.socket]
        _shut(leaving.socket, socket.SHUT_RDWR)
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


@dataclass(frozen=True)
class _Request:
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    is_last: bool


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
                request = _parse(head)
                self._admit(request)
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

    def _admit(self, request: _Request) -> None:
        """Refuse a request that names another host, or lacks the token, which says enough, too."""
        if self.server.must_be_loopback and not _is_for_loopback(request):
            raise _Refusal(
                HTTPStatus.FORBIDDEN, "this page is for programs of the machine that it comes from"
            )
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = request.query.get("token", given)
        token = self.server.token
        if token is not None and not hmac.compare_digest(_encoded(given), _encoded(token)):
            raise _Refusal(
                HTTPStatus.FORBIDDEN, "this page needs its token: add ?token=... to the address"
            )

    def _respond(self, request: _Request) -> Response:
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


def _parse(head: bytes) -> _Request:
    line, *fields = head.decode("latin-1").split("\r\n")
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise _Refusal(HTTPStatus.BAD_REQUEST, "this is no GET request of HTTP/1")
    headers = {}
    for field in fields:
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    query = {name: values[-1] for name, values in parse_qs(found["query"] or "").items()}
    is_last = found["minor"] == "0" or headers.get("connection", "").lower() == "close"
    return _Request(found["path"], query, headers, is_last)


def _is_for_loopback(request: _Request) -> bool:
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
