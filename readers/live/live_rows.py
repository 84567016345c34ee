"""The way of packets that arrive to rows: a bounded queue between two threads, and the decoder."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from threading import Condition

import av
from av.video.stream import VideoStream

from readers.base import DecodedFrame
from readers.container.packet_decoder import PacketDecoder, Row, contiguous
from readers.container.reader import frame_of
from readers.frame_times import FrameClock, Stretches, period_in_stream
from readers.frames import FrameStatus
from readers.growing.feed import ArrivedPacket, Feed

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


class LiveRows:
    """Decodes the packets of a feed that was opened.

    A frame's time is the container's, from the first frame on; where that tells none (.isxb), it
    is that of its arrival, from the arrival of the first frame on. A frame has arrived when its
    packet has: pictures that it refers to came before.
    """

    def __init__(self, feed: Feed, frame_period_s: Fraction) -> None:
        self._frame_period = period_in_stream(feed.stream, frame_period_s)
        self._decoder = PacketDecoder(feed.stream, self._frame_period, is_avi=feed.format == "avi")
        self._stretches = Stretches(self._frame_period)
        clock = FrameClock(frame_period_s, feed.stream.time_base)
        self._clock = clock if feed.tells_times else None
        self._arrivals_s: dict[int, float] = {}
        self._first_arrival_s: float | None = None
        self._last_arrival_s = 0.0
        self._last_time: int | None = None
        self._num_rows = 0

    @property
    def damage(self) -> str | None:
        """What is wrong with the times of the packets so far; None for nothing."""
        return self._stretches.damage

    def put(self, arrived: ArrivedPacket) -> Iterator[DecodedFrame]:
        """Decode a packet; yield the rows that are known now. Take all of them."""
        packet = self._stretches.place(arrived.packet)
        if self._stretches.begins:
            yield from map(self._live, self._decoder.begin_anew(packet))
            self._stretches.note(self._num_rows)
        self._note(packet, arrived.arrival_time_s)
        yield from map(self._live, self._decoder.put(packet))

    def pass_over(self, arrived: ArrivedPacket) -> Iterator[DecodedFrame]:
        """Yield the row of a packet whose picture stands alone without decoding it: skipped."""
        packet = self._stretches.place(arrived.packet)
        if self._stretches.begins:
            self._stretches.note(self._num_rows)
        self._note(packet, arrived.arrival_time_s)
        for row in map(self._live, self._decoder.pass_over(packet)):
            yield replace(row, status=FrameStatus.SKIPPED)

    def rest(self, *, is_cut_off: bool) -> Iterator[DecodedFrame]:
        """Yield what is still inside the decoder, as a reader of the finished file does."""
        rest: Iterable[Row] = self._decoder.rest()
        if is_cut_off:
            rest = contiguous(iter(rest), self._last_time, self._frame_period)
        return map(self._live, rest)

    def _note(self, packet: av.Packet[VideoStream], arrival_time_s: float) -> None:
        self._last_arrival_s = arrival_time_s
        if packet.pts is not None and not packet.is_discard:
            self._arrivals_s[packet.pts] = arrival_time_s

    def _live(self, row: Row) -> DecodedFrame:
        picture, time, status = frame_of(row)
        self._num_rows += 1
        self._last_time = time
        arrival_s = self._last_arrival_s
        if time is not None:
            arrival_s = self._arrivals_s.pop(time, arrival_s)
        if self._first_arrival_s is None:
            self._first_arrival_s = arrival_s
        time_s = arrival_s - self._first_arrival_s
        if self._clock is not None:
            time_s = self._clock.time_s(time)
        return DecodedFrame(picture, time_s, status=status, arrival_time_s=arrival_s)
