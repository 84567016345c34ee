"""Turns packets that arrive into rows, each with the time of its own arrival."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.stream import VideoStream

from readers.container.frames import frame_of
from readers.container.packet_decoder import PacketDecoder, contiguous
from readers.container.packet_rows import Row
from readers.container.stretches import Stretches
from readers.frame_times import FrameClock, period_in_stream
from readers.frames import FrameStatus
from readers.growing.feed import ArrivedPacket, Feed


@dataclass(slots=True)
class LiveRow:
    """One frame; `picture` is None unless it was decoded and is still to be looked at."""

    picture: av.VideoFrame | None
    time_s: float
    arrival_time_s: float
    status: FrameStatus

    def pass_over(self) -> None:
        """Let go of the picture, if there is one."""
        if self.picture is not None:
            self.picture, self.status = None, FrameStatus.SKIPPED


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
        self._clock = FrameClock(frame_period_s) if feed.tells_times else None
        self._time_base = feed.stream.time_base or Fraction(0)
        self._arrivals_s: dict[int, float] = {}
        self._first_arrival_s: float | None = None
        self._last_arrival_s = 0.0
        self._last_time: int | None = None
        self._num_rows = 0

    @property
    def damage(self) -> str | None:
        """What is wrong with the times of the packets so far; None for nothing."""
        return self._stretches.damage

    def put(self, arrived: ArrivedPacket) -> Iterator[LiveRow]:
        """Decode a packet; yield the rows that are known now. Take all of them."""
        packet = self._stretches.place(arrived.packet)
        if self._stretches.begins:
            yield from map(self._live, self._decoder.begin_anew(packet))
            self._stretches.note(self._num_rows)
        self._note(packet, arrived.arrival_time_s)
        yield from map(self._live, self._decoder.put(packet))

    def pass_over(self, arrived: ArrivedPacket) -> Iterator[LiveRow]:
        """Yield the row of a packet whose picture stands alone without decoding it: skipped."""
        packet = self._stretches.place(arrived.packet)
        if self._stretches.begins:
            self._stretches.note(self._num_rows)
        self._note(packet, arrived.arrival_time_s)
        for row in map(self._live, self._decoder.pass_over(packet)):
            row.status = FrameStatus.SKIPPED
            yield row

    def rest(self, *, is_cut_off: bool) -> Iterator[LiveRow]:
        """Yield what is still inside the decoder, as a reader of the finished file does."""
        rest: Iterable[Row] = self._decoder.rest()
        if is_cut_off:
            rest = contiguous(iter(rest), self._last_time, self._frame_period)
        return map(self._live, rest)

    def _note(self, packet: av.Packet[VideoStream], arrival_time_s: float) -> None:
        self._last_arrival_s = arrival_time_s
        if packet.pts is not None and not packet.is_discard:
            self._arrivals_s[packet.pts] = arrival_time_s

    def _live(self, row: Row) -> LiveRow:
        picture, time, status = frame_of(row)
        self._num_rows += 1
        self._last_time = time
        arrival_s = self._last_arrival_s
        if time is not None:
            arrival_s = self._arrivals_s.pop(time, arrival_s)
        return LiveRow(picture, self._time_s(time, arrival_s), arrival_s, status)

    def _time_s(self, time: int | None, arrival_s: float) -> float:
        if self._clock is not None:
            return self._clock.time_s(None if time is None else time * self._time_base)
        if self._first_arrival_s is None:
            self._first_arrival_s = arrival_s
        return arrival_s - self._first_arrival_s
