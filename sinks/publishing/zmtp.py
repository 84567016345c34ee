"""One subscriber that speaks ZeroMQ's protocol, ZMTP."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import suppress

from sinks.publishing.sockets import Subscriber

TOPIC = b"pose"

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

_Conversation = Generator[int, bytes, None]
"""Yields how many bytes it needs, and is sent them. It raises `ConnectionAbortedError` where the
other side breaks the protocol."""


class ZmtpSubscriber(Subscriber):
    """A subscriber that is sent messages once it has subscribed to their topic.

    It speaks revision 3.0 of the protocol (https://rfc.zeromq.org/spec/23), which later ones
    fall back to, and 2.0. What others send decides neither memory nor time: a frame has at most
    512 bytes, only subscriptions to our topic are remembered, and at most eight frames are taken
    at a time.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self._received = b""
        self._subscriptions: set[bytes] = set()
        self._has_broken_off = False
        self._conversation = self._converse()
        self._num_needed = next(self._conversation)

    @property
    def is_gone(self) -> bool:
        """Whether it cannot be sent anything any more."""
        return self._has_broken_off or super().is_gone

    @property
    def is_dispensable(self) -> bool:
        """Whether it has subscribed to nothing, or is far behind."""
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
            self._has_broken_off = True

    def _converse(self) -> _Conversation:
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
            self._say(_command(_READY))
            flags, body = yield from _frame()
            if not (flags & _COMMAND and body.startswith(_READY[:6])):
                raise ConnectionAbortedError
        while True:
            flags, body = yield from _frame()
            if not flags & _COMMAND:
                self._subscribe(body[:1], body[1:])
            elif body.startswith(_PING):
                self._answer_ping(body[len(_PING) + _PING_TTL_LENGTH :])

    def _subscribe(self, verb: bytes, prefix: bytes) -> None:
        if verb == _SUBSCRIBE and TOPIC.startswith(prefix):
            self._subscriptions.add(prefix)
        elif verb == _CANCEL:
            self._subscriptions.discard(prefix)

    def _answer_ping(self, context: bytes) -> None:
        # Messages that wait are as good a sign of life, and nothing may come between their parts.
        if not self.outbox.num_waiting:
            self._say(_command(_PONG + context))

    def _say(self, data: bytes) -> None:
        with suppress(BlockingIOError):
            if self._connection.send(data) < len(data):
                raise ConnectionAbortedError


def two_part_message(body: bytes) -> bytes:
    """Frame a message of two parts, the topic and a body."""
    return bytes([_MORE, len(TOPIC)]) + TOPIC + _head(0, len(body)) + body


def _command(body: bytes) -> bytes:
    return _head(_COMMAND, len(body)) + body


def _head(flags: int, length: int) -> bytes:
    if length < 256:
        return bytes([flags, length])
    return bytes([flags | _LONG]) + length.to_bytes(8, "big")


def _frame() -> Generator[int, bytes, tuple[int, bytes]]:
    flags, length = yield 2
    if flags & _LONG:
        length = int.from_bytes(bytes([length]) + (yield 7), "big")
    if length > _LONGEST_FRAME:
        raise ConnectionAbortedError
    return flags, (yield length)
