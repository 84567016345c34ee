"""Standard streams of a command, which goes on whether they are read or not."""

from __future__ import annotations

import atexit
import io
import os
import select
import stat
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from engine.errors import RunError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_MOST_WAITING = 64
_PATIENCE_S = 0.5
_PIECE_LENGTH: int = getattr(select, "PIPE_BUF", 512)
"""A pipe that is said to be writable takes this many bytes at once, nowhere fewer than 512."""


def set_up_streams() -> None:
    """Let this process go on, whatever happens to its standard streams.

    Messages on the standard error that cannot be written are lost instead of waited with. The
    standard output takes names of files that are no text. Streams that were closed (``2>&-``) lead
    nowhere: otherwise the next file that is opened would take their place, and a library's messages
    would be written into it.

    Only the last is done on Windows, which does not tell whether a pipe can be written to.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free one
    if isinstance(sys.stdout, io.TextIOWrapper):
        is_utf_8 = sys.stdout.encoding.lower() == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf_8 else "backslashreplace")
    if sys.platform == "win32":
        return
    sys.stderr = message_stream(2, "utf-8" if sys.stderr is None else sys.stderr.encoding)
    atexit.register(sys.stderr.close)


def message_stream(descriptor: int, encoding: str = "utf-8") -> io.TextIOWrapper:
    """Give a text stream into an open descriptor that never waits and never fails."""
    raw: Any = _Messages(descriptor)  # a raw stream does; the type asks for a buffered one
    return io.TextIOWrapper(raw, encoding, "backslashreplace", line_buffering=True)


class _Messages(io.FileIO):
    """Writes to a descriptor what can be written at once, and never fails.

    The last 64 writes wait for a reader that does not read now, or for room on its disk. The
    descriptor itself becomes one on which nothing waits, as libraries write there too; the
    description of another process, which may share the pipe or the terminal, stays as it is.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._descriptor = descriptor  # also when this is closed
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        # An object that is deleted within a write may write a message itself.
        self._lock = threading.RLock()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor):
            with suppress(OSError):  # it is not read any more, or it is another user's
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
                own = os.open(f"/dev/fd/{descriptor}", flags)
                os.dup2(own, descriptor)
                os.close(own)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write it, or keep it for the next time."""
        message = bytes(data)
        with self._lock:
            self._waiting.append(message)
            self._send(0)
        return len(message)

    def close(self) -> None:
        """Give a slow reader half a second more; the descriptor stays open."""
        with self._lock:
            self._send(_PATIENCE_S)
        super().close()

    def _send(self, patience_s: float) -> None:
        while self._waiting:
            message, num_sent = self._waiting.popleft(), 0
            with suppress(OSError):  # it is full, hung up or gone
                _, writable, _ = select.select([], [self._descriptor], [], patience_s)
                if writable:
                    num_sent = os.write(self._descriptor, message[:_PIECE_LENGTH])
            if num_sent < len(message):
                self._waiting.appendleft(message[num_sent:])
            if num_sent == 0:
                return


def put_out(text: str) -> None:
    """Write lines on the standard output.

    Raises
    ------
    BrokenPipeError
        If the program that read it has stopped.
    RunError
        If it cannot be written for another reason.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        # Python would try once more at its end, and fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise RunError(f"standard output: cannot be written ({error.strerror})") from error


def end_at_once(exit_code: int) -> NoReturn:
    """End the process without waiting for what its threads still do."""
    with suppress(OSError):
        sys.stderr.close()
    os._exit(exit_code)
