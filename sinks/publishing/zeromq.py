"""Publish on a ZeroMQ socket."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from readers import InputError
from sinks.publishing.extras import import_extra
from sinks.publishing.publisher import MessagePublisher
from sinks.publishing.sockets import clear_socket_path

TOPIC = b"pose"

_IPC = "ipc://"
_TRANSPORTS = ("tcp://", _IPC)
_LONGEST_QUEUE = 64
"""Messages that wait for one subscriber: as many as for a subscriber of a plain socket."""
_LONGEST_FAREWELL_MS = 200
"""For the last messages at the end of the run; without, they would be lost to all."""


class ZeroMqPublisher(MessagePublisher):
    """Publishes messages in JSON on a PUB socket that subscribers connect to.

    A message has two parts: the topic, ``pose``, and the JSON, without a line break. When more
    than 64 messages wait for a subscriber, ZeroMQ drops those that come then, and tells nobody.

    Parameters
    ----------
    body_parts
        Names in the order of the poses.
    endpoint
        ZeroMQ's, ``tcp://ADDRESS:PORT`` or ``ipc://PATH``.

    Raises
    ------
    InputError
        If it is something else, or pyzmq is not installed.
    """

    def __init__(self, body_parts: Sequence[str], *, endpoint: str) -> None:
        super().__init__(body_parts)
        if not endpoint.startswith(_TRANSPORTS):
            raise InputError(
                f"zmq:{endpoint}: the endpoint must begin with tcp:// or ipc://, "
                "such as zmq:tcp://127.0.0.1:5556"
            )
        self._zmq = import_extra("zmq", "zmq")
        self._endpoint = endpoint
        self.address = f"zmq:{endpoint}"

    def open(self, resources: ExitStack) -> None:
        """Bind the socket."""
        context = resources.enter_context(self._zmq.Context())
        self._socket = resources.enter_context(context.socket(self._zmq.PUB))
        self._socket.setsockopt(self._zmq.SNDHWM, _LONGEST_QUEUE)
        self._socket.setsockopt(self._zmq.LINGER, _LONGEST_FAREWELL_MS)
        self._socket.setsockopt(self._zmq.IPV6, "[" in self._endpoint)
        try:
            if self._endpoint.startswith(_IPC):
                # ZeroMQ would remove whatever has this name.
                clear_socket_path(Path(self._endpoint.removeprefix(_IPC)))
            self._socket.bind(self._endpoint)
        except (self._zmq.ZMQError, OSError) as error:
            reason = self._zmq.strerror(error.errno)
            raise InputError(f"{self.address}: cannot be bound ({reason})") from error
        bound = self._socket.getsockopt_string(self._zmq.LAST_ENDPOINT)
        self.address = f"zmq:{bound}"

    @property
    def num_unsent(self) -> None:
        """Nobody knows."""
        return

    def publish(self, message: bytes) -> None:
        """Hand a message to ZeroMQ, which never makes a PUB socket wait."""
        self._socket.send_multipart([TOPIC, message.rstrip(b"\n")], self._zmq.NOBLOCK)
