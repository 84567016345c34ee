"""Between the thread that takes packets in and the one that decodes them: bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Protocol

from readers.growing.feed import ArrivedPacket

_LOOK_EVERY_S = 0.001


class Spill(Protocol):
    """Where packets wait that have no room in memory."""

    def put(self, arrived: ArrivedPacket) -> None:
        """Add one behind all others."""

    def get(self) -> ArrivedPacket:
        """Take the oldest one."""

    def __len__(self) -> int: ...

    def close(self) -> None:
        """Let go of what is in it."""


class PacketQueue:
    """Hands packets from one thread to another, in order.

    Parameters
    ----------
    most_bytes
        Packets in memory have at most as many bytes; a single larger one still goes through.
    spill
        Takes what goes beyond; None makes `put` wait instead.
    """

    def __init__(self, most_bytes: int, spill: Spill | None = None) -> None:
        self._most_bytes = most_bytes
        self._spill = spill
        self._packets: deque[ArrivedPacket] = deque()
        self._num_bytes = 0
        self._changed = Condition()
        self._has_ended = False
        self._is_cancelled = False

    @property
    def num_bytes_in_memory(self) -> int:
        """Bytes of the packets that wait in memory."""
        return self._num_bytes

    def __len__(self) -> int:
        with self._changed:
            return self._num_waiting()

    def put(self, arrived: ArrivedPacket, meanwhile: Callable[[], None] | None = None) -> None:
        """Add a packet; where there is no room and no spill, wait for some.

        While it waits, `meanwhile` is called about every millisecond.
        """
        size = arrived.packet.size
        with self._changed:
            if self._is_cancelled:
                return
            if self._spill is not None and (len(self._spill) or not self._has_room(size)):
                self._spill.put(arrived)
            else:
                self._wait_for_room(size, meanwhile)
                if self._is_cancelled:
                    return
                self._packets.append(arrived)
                self._num_bytes += size
            self._changed.notify_all()

    def get(self) -> ArrivedPacket | None:
        """Take the oldest packet, waiting until there is one; None once no more will come."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._num_waiting() or self._has_ended or self._is_cancelled
            )
            if self._is_cancelled or not self._num_waiting():
                return None
            if not self._packets and self._spill is not None:
                return self._spill.get()
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

    def close(self) -> None:
        """Cancel, and let go of the spill."""
        self.cancel()
        with self._changed:
            if self._spill is not None:
                self._spill.close()
                self._spill = None

    def _num_waiting(self) -> int:
        return len(self._packets) + (0 if self._spill is None else len(self._spill))

    def _has_room(self, size: int) -> bool:
        return not self._packets or self._num_bytes + size <= self._most_bytes

    def _wait_for_room(self, size: int, meanwhile: Callable[[], None] | None) -> None:
        while not self._has_room(size) and not self._is_cancelled:
            self._changed.wait(_LOOK_EVERY_S)
            if meanwhile is not None:
                meanwhile()
