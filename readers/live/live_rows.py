"""A bounded queue of packets between two threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition

from readers.growing.feed import ArrivedPacket

_LOOK_EVERY_S = 0.001


class PacketQueue:
    """Hands packets from one thread to another, in order.

    Parameters
    ----------
    most_bytes
        Packets have at most as many bytes; a single larger one still goes through.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._packets: deque[ArrivedPacket] = deque()
        self._num_bytes = 0
        self._changed = Condition()
        self._has_ended = False
        self._is_cancelled = False

    def __len__(self) -> int:
        return len(self._packets)

    def put(self, arrived: ArrivedPacket, meanwhile: Callable[[], None] | None = None) -> None:
        """Add a packet, waiting for room; meanwhile call `meanwhile` about every millisecond."""
        size = arrived.packet.size
        with self._changed:
            while self._packets and self._num_bytes + size > self._most_bytes:
                self._changed.wait(_LOOK_EVERY_S)
                if meanwhile is not None:
                    meanwhile()
            if not self._is_cancelled:
                self._packets.append(arrived)
                self._num_bytes += size
                self._changed.notify_all()

    def get(self) -> ArrivedPacket | None:
        """Take the oldest packet, waiting until there is one; None once no more will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._packets or self._has_ended or self._is_cancelled)
            if not self._packets:
                return None
            arrived = self._packets.popleft()
            self._num_bytes -= arrived.packet.size
            self._changed.notify_all()
            return arrived

    def end(self) -> None:
        """Say that no packet will follow."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """Let go of everything that waits, for good: `get` gives None, `put` keeps nothing."""
        with self._changed:
            self._is_cancelled = True
            self._packets.clear()
            self._num_bytes = 0
            self._changed.notify_all()
