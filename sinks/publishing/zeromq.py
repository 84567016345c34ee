"""The publisher that does as a ZeroMQ socket does, and its protocol, ZMTP."""

from __future__ import annotations

import re
import socket
from collections.abc import Generator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Lock, Thread

from readers import InputError
from sinks.publishing.publisher import LARGEST_PORT, SocketPublisher, Subscriber

TOPIC = b"pose"

_ENDPOINT = re.compile(
    r"tcp://(?P<host>\*|[^*:\[\]]+|\[[^\[\]]+\]):(?P<port>\*|[0-9]{1,5})|ipc://(?P<path>[^@*].*)",
    re.ASCII | re.DOTALL,
)
_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 -- what the user asks for with a *
_LISTEN_EVERY_S = 0.02

_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
_REVISION_3 = b"\x03"
_NULL_MECHANISM = b"NULL".ljust(20, b"\0")
_REST_OF_GREETING = b"\0" + _NULL_MECHANISM + bytes(32)  # minor revision 0; a client; filler
_READY = b"\x05READY\x0bSocket-Type\0\0\0\x03PUB"
_REST_OF_GREETING_2 = b"\x01\0\0"  # socket type PUB, and an empty identity
_MORE, _LONG, _COMMAND = 1, 2, 4
_SUBSCRIBE, _CANCEL = b"\x01", b"\0"
_PING, _PONG = b"\x04PING", b"\x04PONG"
_PING_TTL_LENGTH = 2

_LONGEST_FRAME = 512
"""Bytes. What a subscriber has to say is much shorter."""
_MOST_PIECES = 16
"""Taken at a time: a frame has two. The rest stays with the system, and then with the sender."""


class ZmtpSubscriber(Subscriber):
    """A subscriber that is sent messages once it has subscribed to their topic.

    It speaks revision 3.0 of the protocol (https://rfc.zeromq.org/spec/23), which later ones
    fall back to, and 2.0. What others send cannot take much memory or time: a frame has at most
    512 bytes, eight frames are taken at a time, and subscriptions to our topic alone are kept.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self._received = b""
        self._subscriptions: set[bytes] = set()
        self._conversation = self._converse()
        self._num_needed = next(self._conversation)

    @property
    def is_dispensable(self) -> bool:
        """True where it has subscribed to nothing, or is far behind."""
        return not self._subscriptions or super().is_dispensable

    def put(self, message: bytes) -> None:
        """Send a message, if it has subscribed to it."""
        if self._subscriptions:
            super().put(message)

    def receive(self) -> None:
        """Take what has come from it, without waiting."""
        if self.is_gone:
            return
        try:
            for _ in range(_MOST_PIECES):
                if self._num_needed:
                    received = self._connection.recv(self._num_needed - len(self._received))
                    if not received:
                        raise ConnectionResetError
                    self._received += received
                if len(self._received) == self._num_needed:
                    piece, self._received = self._received, b""
                    self._num_needed = self._conversation.send(piece)
        except BlockingIOError:
            pass
        except OSError:
            self.is_gone = True

    def _converse(self) -> Generator[int, bytes, None]:
        """Yield how many bytes are needed, and be sent them.

        `ConnectionAbortedError` where the other side breaks the protocol.
        """
        yield 0  # until it is listened to
        self._say(_SIGNATURE + _REVISION_3)
        greeting = yield len(_SIGNATURE) + 1
        revision = greeting[-1]
        if greeting[0] != _SIGNATURE[0] or not greeting[9] & 1 or revision == 0:
            raise ConnectionAbortedError
        if revision < _REVISION_3[0]:
            self._say(_REST_OF_GREETING_2)
            yield 1  # its socket type
            yield from _frame()  # its identity
        else:
            self._say(_REST_OF_GREETING)
            greeting = yield len(_REST_OF_GREETING)
            if greeting[1:21] != _NULL_MECHANISM:
                raise ConnectionAbortedError
            self._say(_framed(_COMMAND, _READY))
            flags, body = yield from _frame()
            if not (flags & _COMMAND and body.startswith(_READY[:6])):
                raise ConnectionAbortedError
        while True:
            flags, body = yield from _frame()
            verb, prefix = body[:1], body[1:]
            if flags & _COMMAND:
                # Messages that wait answer as well, and nothing may come between their parts.
                if body.startswith(_PING) and not self._waiting:
                    self._say(_framed(_COMMAND, _PONG + body[len(_PING) + _PING_TTL_LENGTH :]))
            elif verb == _SUBSCRIBE and TOPIC.startswith(prefix):
                self._subscriptions.add(prefix)
            elif verb == _CANCEL:
                self._subscriptions.discard(prefix)

    def _say(self, data: bytes) -> None:
        with suppress(BlockingIOError):
            if self._connection.send(data) < len(data):
                raise ConnectionAbortedError


def two_part_message(body: bytes) -> bytes:
    """Frame a message of two parts, the topic and a body."""
    return bytes([_MORE, len(TOPIC)]) + TOPIC + _framed(0, body)


def _framed(flags: int, body: bytes) -> bytes:
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | _LONG]) + len(body).to_bytes(8, "big") + body


def _frame() -> Generator[int, bytes, tuple[int, bytes]]:
    flags, length = yield 2
    if flags & _LONG:
        length = int.from_bytes(bytes([length]) + (yield 7), "big")
    if length > _LONGEST_FRAME:
        raise ConnectionAbortedError
    return flags, (yield length)


class ZeroMqPublisher(SocketPublisher):
    """Publishes messages in JSON as a PUB socket that subscribers connect to.

    A message has two parts: the topic, ``pose``, and the JSON, without a line break.

    A PUB socket of ZeroMQ's own library takes whatever its subscribers send, before it sends the
    next message: many long subscriptions stop it for minutes and fill the memory, as there is no
    limit that could be set. So this one speaks the protocol itself. A thread of its own listens
    to the subscribers, a few frames of each at a time, and the thread that publishes only sends.

    `InputError` if the endpoint is neither ``tcp://ADDRESS:PORT``, where each can be ``*``, nor
    ``ipc://PATH``.
    """

    make_subscriber = ZmtpSubscriber

    def __init__(self, body_parts: Sequence[str], *, endpoint: str) -> None:
        found = _ENDPOINT.fullmatch(endpoint)
        port = 0 if found is None else int((found["port"] or "0").replace("*", "0"))
        if found is None or port > LARGEST_PORT:
            raise InputError(
                f"zmq:{endpoint}: the endpoint must be tcp://ADDRESS:PORT or ipc://PATH, "
                "such as zmq:tcp://127.0.0.1:5556"
            )
        place: tuple[str, int] | Path = Path(found["path"] or "")
        if found["path"] is None:
            place = (found["host"].replace("*", _ALL_ADDRESSES).strip("[]"), port)
        super().__init__(body_parts, address=f"zmq:{endpoint}", place=place)
        self._lock = Lock()  # of the subscribers

    def open(self, resources: ExitStack) -> None:
        """Listen from now on, and let subscribers in and hear what they want until the end."""
        super().open(resources)
        is_closing = Event()

        def attend() -> None:
            while not is_closing.wait(_LISTEN_EVERY_S):
                with self._lock:
                    self.accept()
                    subscribers = list(self._subscribers)
                for subscriber in subscribers:
                    with self._lock:  # the poses wait for one of them at most
                        subscriber.receive()
                with self._lock:
                    self.forget_gone()

        thread = Thread(target=attend, name="zeromq", daemon=True)
        thread.start()
        resources.callback(thread.join)
        resources.callback(is_closing.set)

    def publish(self, message: bytes) -> None:
        """Send a message to all who have subscribed by now."""
        framed = two_part_message(message.rstrip(b"\n"))
        with self._lock:
            self.send(framed)
