"""Someone who listens to the poses of a live run, and notes when each message came."""

from __future__ import annotations

import json
import select
import socket
import time
from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_RETRY_S = 0.02
_CHUNK = 1 << 16


@dataclass
class Messages:
    """The messages about each frame, in the order in which they came.

    Attributes
    ----------
    frame
        Index of the frame within the movie.
    arrival_s, publish_s
        As the message tells them, by the clock of the live run.
    received_s
        By time.monotonic() here.
    num_by_status
        How many there were of each status.
    """

    frame: array[int] = field(default_factory=lambda: array("q"))
    arrival_s: array[float] = field(default_factory=lambda: array("d"))
    publish_s: array[float] = field(default_factory=lambda: array("d"))
    received_s: array[float] = field(default_factory=lambda: array("d"))
    num_by_status: dict[str, int] = field(default_factory=dict)

    def add(self, line: bytes, received_s: float) -> None:
        """Take a message."""
        message = json.loads(line)
        self.frame.append(message["frame"])
        self.arrival_s.append(message["arrival_time_s"])
        self.publish_s.append(message["publish_time_s"])
        self.received_s.append(received_s)
        status = message["status"]
        self.num_by_status[status] = 1 + self.num_by_status.get(status, 0)

    def times_s(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Give the arrival, publication and reception of each message."""
        arrival, publish, received = map(
            np.array, (self.arrival_s, self.publish_s, self.received_s)
        )
        return arrival, publish, received


class Subscriber:
    """Takes messages from a TCP port of this machine; tries again until a program listens there.

    A context manager.

    Attributes
    ----------
    messages
        What has come.
    is_over
        Whether the other side has ended the connection.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._begun_line = b""
        self.messages = Messages()
        self.is_over = False

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    @property
    def is_connected(self) -> bool:
        """Whether a program has listened."""
        return self._socket is not None

    def take(self, timeout_s: float) -> None:
        """Take what comes within the time, or at once where something is there."""
        connection = self._socket or self._connect()
        if connection is None or self.is_over:
            time.sleep(min(timeout_s, _RETRY_S))
        elif select.select([connection], [], [], timeout_s)[0]:
            self._read(connection)

    def _connect(self) -> socket.socket | None:
        try:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
        except ConnectionRefusedError:
            return None
        return self._socket

    def _read(self, connection: socket.socket) -> None:
        try:
            chunk = connection.recv(_CHUNK)
        except ConnectionResetError:
            chunk = b""
        received_s = time.monotonic()
        self.is_over = not chunk
        *lines, self._begun_line = (self._begun_line + chunk).split(b"\n")
        for line in lines:
            self.messages.add(line, received_s)
