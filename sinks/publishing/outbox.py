"""The messages that wait for one subscriber."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

_LONGEST_QUEUE = 64
"""Two seconds at 30 frames/s. Who is further behind is served better by newer messages."""


class Outbox:
    """Sends messages in order, each as a whole or not at all, and never waits.

    What cannot be sent at once is kept for the next time. When `_LONGEST_QUEUE` messages wait,
    the oldest of which nothing has been sent gives way to the newest. Once sending has failed,
    the subscriber is gone, and everything is unsent.

    Parameters
    ----------
    send
        Sends the first bytes of what it is given, as many as can be sent without waiting, and
        returns their number. Raises `BlockingIOError` if that is none, and another `OSError` if
        the subscriber is gone.

    Attributes
    ----------
    num_unsent
        Messages that did not arrive, or only in part.
    is_gone
        Whether the subscriber is.
    """

    def __init__(self, send: Callable[[memoryview], int]) -> None:
        self._send = send
        self._waiting: deque[memoryview] = deque()
        self._first_is_begun = False
        self.num_unsent = 0
        self.is_gone = False

    @property
    def num_waiting(self) -> int:
        """Messages that have not been sent yet, or only in part."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether a message would be lost for the next one."""
        return len(self._waiting) == _LONGEST_QUEUE

    def put(self, message: bytes) -> None:
        """Send a message after those that wait, or as soon as that is possible."""
        self._waiting.append(memoryview(message))
        self._send_waiting()
        if len(self._waiting) > _LONGEST_QUEUE:
            del self._waiting[1 if self._first_is_begun else 0]
            self.num_unsent += 1

    def close(self) -> None:
        """Send what can be sent now; the rest is unsent."""
        self._send_waiting()
        self._give_up()

    def _send_waiting(self) -> None:
        try:
            while self._waiting and not self.is_gone:
                message = self._waiting[0]
                num_sent = self._send(message)
                self._first_is_begun = num_sent < len(message)
                if self._first_is_begun:
                    self._waiting[0] = message[num_sent:]
                else:
                    self._waiting.popleft()
        except BlockingIOError:
            return
        except OSError:
            self.is_gone = True
        if self.is_gone:
            self._give_up()

    def _give_up(self) -> None:
        self.num_unsent += len(self._waiting)
        self._waiting.clear()
