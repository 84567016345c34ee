"""A small HTTP server of pages that wait for news."""

from __future__ import annotations

import hmac
import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import Condition, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from engine.live.page.address import PageAddress, is_loopback
from readers import InputError
from sinks import ResourceHolder

_MOST_CONNECTIONS = 32
_SILENT_FOR_S = 10.0
_LAST_ANSWERS_S = 1.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Response:
    """What a request is answered with."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


Responder = Callable[[Mapping[str, str]], Response]
"""Is given the query of a request; called in the thread of its connection, and may wait there."""


class PageServer(ResourceHolder):
    """Answers GET requests, each connection in a thread of its own, until it is closed.

    Requests that name another host than this machine are refused: a web site whose name was
    pointed at 127.0.0.1 ("DNS rebinding") could read the answers. With a token they must carry
    it, as ``?token=`` or ``Authorization: Bearer``. At closing, requests that have come are
    still answered, and all threads have ended afterwards.

    Parameters
    ----------
    address
        Where to listen.
    responders
        By path.
    at_closing
        Called at closing, first: responders that wait should return.
    """

    def __init__(
        self,
        address: PageAddress,
        responders: Mapping[str, Responder],
        at_closing: Callable[[], None],
    ) -> None:
        self._address = address
        self._responders = responders
        self._at_closing = at_closing

    def open(self, resources: ExitStack) -> None:
        """Listen.

        Raises
        ------
        InputError
            If the address cannot be had, since another program has it, say.
        """
        try:
            self._server = _Server(self._address, self._responders)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(
                f"preview cannot be served at {self._address.text} ({reason}): "
                "give another port, or 0 for any that is free"
            ) from error
        resources.callback(self._server.server_close)  # waits for the threads of connections
        thread = Thread(target=self._server.serve_forever, args=(_POLL_S,), name="preview page")
        thread.start()
        resources.callback(thread.join)
        resources.callback(self._server.end_connections)
        resources.callback(self._server.shutdown)
        resources.callback(self._at_closing)

    @property
    def port(self) -> int:
        """The port that it listens on, while it is open."""
        return int(self._server.server_address[1])


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = False
    request_queue_size = _MOST_CONNECTIONS
    allow_reuse_address = os.name != "nt"  # where it would take a port from another program

    def __init__(self, address: PageAddress, responders: Mapping[str, Responder]) -> None:
        self.address_family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
        self.responders = responders
        self.token = address.token
        self.must_be_loopback = is_loopback(address.host)
        self.is_closing = False
        self._connections: set[socket.socket] = set()
        self._change = Condition()
        super().__init__((address.host, address.port), _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 -- of TCPServer
        """Take a connection unless there are too many: each has a thread."""
        with self._change:
            if len(self._connections) >= _MOST_CONNECTIONS:
                return False
            self._connections.add(request)
            return True

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        super().shutdown_request(request)
        with self._change:
            self._connections.discard(request)
            self._change.notify_all()

    def end_connections(self) -> None:
        """Let requests that have come be answered, and end all connections."""
        self.is_closing = True
        with self._change:
            self._shut(socket.SHUT_RD)  # no more requests
            self._change.wait_for(lambda: not self._connections, _LAST_ANSWERS_S)
            self._shut(socket.SHUT_RDWR)  # whose browser takes no answer

    def _shut(self, how: int) -> None:
        for connection in self._connections:
            with suppress(OSError):  # it has ended by itself
                connection.shutdown(how)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a browser that has gone; tell of anything else."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: _Server
    protocol_version = "HTTP/1.1"  # one connection for many requests
    server_version, sys_version = "posestream", ""
    timeout = _SILENT_FOR_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if not self._names_this_machine():
            self._answer(_refusal("this page is for programs of the machine that it comes from"))
        elif not self._may_look(query):
            self._answer(_refusal("this page needs its token: add ?token=... to the address"))
        elif url.path not in self.server.responders:
            self._answer(Response(b"no such page\n", status=HTTPStatus.NOT_FOUND))
        else:
            self._answer(self.server.responders[url.path](query))

    def _names_this_machine(self) -> bool:
        """Tell whether the request names a host that is no one else's; a token says enough, too."""
        if not self.server.must_be_loopback:
            return True
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            return False
        return host is not None and is_loopback(host)

    def _may_look(self, query: Mapping[str, str]) -> bool:
        token = self.server.token
        if token is None:
            return True
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        given = query.get("token", given)
        return hmac.compare_digest(
            given.encode("utf-8", "surrogateescape"), token.encode("utf-8", "surrogateescape")
        )

    def _answer(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        if response.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")  # the address may hold the token
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        for name, value in response.headers:
            self.send_header(name, value)
        if self.server.is_closing:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- of http.server
        """Keep requests out of the terminal."""


def _refusal(reason: str) -> Response:
    return Response(f"{reason}\n".encode(), status=HTTPStatus.FORBIDDEN)
