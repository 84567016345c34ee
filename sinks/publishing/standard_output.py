"""The publisher on the standard output."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from contextlib import ExitStack

from readers import InputError
from sinks.publishing.publisher import MessagePublisher, Outbox

_STANDARD_OUTPUT = 1
_PIECE_LENGTH: int = getattr(select, "PIPE_BUF", 512)
"""A pipe that is said to be writable takes this many bytes at once, nowhere fewer than 512."""


class StandardOutputPublisher(MessagePublisher):
    """Publishes messages in JSON, a line each, on the standard output.

    The program that reads it is the one subscriber; nothing else may be written there. The
    descriptor is that of an open file, which stays open.
    """

    address = "stdout"

    def __init__(self, body_parts: Sequence[str], *, descriptor: int = _STANDARD_OUTPUT) -> None:
        super().__init__(body_parts)
        self._descriptor = descriptor
        self._outbox = Outbox(self._send)

    def open(self, resources: ExitStack) -> None:
        """Check that it can be written to."""
        try:
            select.select([], [self._descriptor], [], 0)  # fails where it is closed
            self._own_descriptor = self._descriptor
            if os.isatty(self._descriptor):
                # `select` tells of pipes, sockets and files whether a piece can be written without
                # waiting, but not of terminals. They are opened a second time: others that share
                # the standard output would not expect that it is made non-blocking.
                flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK
                self._own_descriptor = os.open(os.ttyname(self._descriptor), flags)
                resources.callback(os.close, self._own_descriptor)
        except OSError as error:
            raise InputError(f"stdout: cannot be written to ({error.strerror})") from error
        resources.callback(self._outbox.close)

    @property
    def num_unsent(self) -> int:
        """Messages that were not read in time."""
        return self._outbox.num_unsent

    def publish(self, message: bytes) -> None:
        """Write a line, if it can be written at once."""
        self._outbox.put(message)

    def _send(self, data: memoryview) -> int:
        _, writable, _ = select.select([], [self._own_descriptor], [], 0)
        if not writable:
            raise BlockingIOError
        return os.write(self._own_descriptor, data[:_PIECE_LENGTH])
