"""Publish as a ZeroMQ socket does."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Lock, Thread

from readers import InputError
from sinks.publishing.sockets import SocketPublisher, tcp_listener, unix_listener
from sinks.publishing.zmtp import ZmtpSubscriber, two_part_message

_ENDPOINT = re.compile(
    r"tcp://(?P<host>\*|[^*:\[\]]+|\[[^\[\]]+\]):(?P<port>\*|[0-9]{1,5})|ipc://(?P<path>[^@*].*)",
    re.ASCII | re.DOTALL,
)
_LAST_PORT = 65535
_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 -- what the user asks for with a *
_LISTEN_EVERY_S = 0.02


class ZeroMqPublisher(SocketPublisher):
    """Publishes messages in JSON as a PUB socket that subscribers connect to.

    A message has two parts: the topic, ``pose``, and the JSON, without a line break.

    A PUB socket of ZeroMQ's own library takes whatever its subscribers send, before it sends the
    next message: many long subscriptions stop it for minutes and fill the memory, as there is no
    limit that could be set. So this one speaks the protocol itself. A thread of its own listens
    to the subscribers, a few frames of each at a time, while the thread that publishes only
    sends, as with other sockets.

    Parameters
    ----------
    body_parts
        Names in the order of the poses.
    endpoint
        ``tcp://ADDRESS:PORT``, where each can be ``*``, or ``ipc://PATH``.

    Raises
    ------
    InputError
        If it is something else.
    """

    make_subscriber = ZmtpSubscriber

    def __init__(self, body_parts: Sequence[str], *, endpoint: str) -> None:
        super().__init__(body_parts)
        found = _ENDPOINT.fullmatch(endpoint)
        if found is None or int((found["port"] or "0").replace("*", "0")) > _LAST_PORT:
            raise InputError(
                f"zmq:{endpoint}: the endpoint must be tcp://ADDRESS:PORT or ipc://PATH, "
                "such as zmq:tcp://127.0.0.1:5556"
            )
        self._endpoint = found
        self._lock = Lock()  # of the subscribers
        self.address = f"zmq:{endpoint}"

    def listen(self, resources: ExitStack) -> socket.socket:
        """Listen on the endpoint."""
        host, port, path = self._endpoint.groups()
        if path is not None:
            return unix_listener(Path(path), resources)
        listener = tcp_listener(
            host.replace("*", _ALL_ADDRESSES).strip("[]"), int(port.replace("*", "0")), resources
        )
        self.address = f"zmq:tcp://{host}:{listener.getsockname()[1]}"
        return listener

    def open(self, resources: ExitStack) -> None:
        """Listen from now on."""
        super().open(resources)
        is_closing = Event()
        thread = Thread(target=self._attend, args=(is_closing,), name="zeromq", daemon=True)
        thread.start()
        resources.callback(thread.join)
        resources.callback(is_closing.set)

    def publish(self, message: bytes) -> None:
        """Send a message to all who have subscribed by now."""
        framed = two_part_message(message.rstrip(b"\n"))
        with self._lock:
            self._send(framed)

    def _attend(self, is_closing: Event) -> None:
        """Let subscribers in and hear what they want, until the end."""
        while not is_closing.wait(_LISTEN_EVERY_S):
            with self._lock:
                self._accept()
                subscribers = list(self._subscribers)
            for subscriber in subscribers:
                with self._lock:  # the poses wait for one of them at most
                    subscriber.receive()
            with self._lock:
                self._forget_gone()
