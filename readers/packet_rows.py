"""Pairs what goes into a decoder with what comes out of it, so that every packet keeps its row."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import av
from av.video.stream import VideoStream

Row = tuple[av.VideoFrame | None, int | None]
"""A picture, None where none was made, and its presentation time in the stream's time base."""

_MOST_INSIDE = 64
"""Packets that a decoder may hold back: H.264 puts 16 pictures into order."""
_LARGEST_REORDERING = 17
"""Packets by which a picture may leave the decoder later than one that went in after it."""


class PacketRows:
    """One row per packet, in the order of presentation.

    A packet from which no picture comes is a row without a picture, whether the decoder reports
    an error, drops it silently, or finds nothing to begin with after a damaged key frame. Its
    place among the others is known from presentation times. Where packets do not tell them (an
    .avi, or a .mp4 without composition offsets, whose pictures are stored in another order than
    they are shown in), a packet that gave an error stands where the error came, and one that
    was lost silently at most 17 rows later than it should.

    Parameters
    ----------
    are_times_own
        Whether the time that FFmpeg gives to a picture is its own, or that of another.
    """

    def __init__(self, *, are_times_own: bool) -> None:
        self._are_times_own = are_times_own
        self._due: list[int] = []
        self._inside: list[int] = []
        self._ready: list[tuple[int, int, av.VideoFrame]] = []
        self._num_taken = 0
        self._all_put_before = 0
        self._num_errors = 0
        self._num_without_time = 0
        self._last: int | None = None

    def put(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Add a packet before it is decoded; yield rows for which it is too late."""
        if packet.pts is None or packet.is_discard:
            return
        heapq.heappush(self._due, packet.pts)
        # Nothing is shown before it is decoded: what is still to come is shown later than this.
        self._all_put_before = packet.pts if packet.dts is None else packet.dts
        if not self._are_times_own:
            self._inside.append(packet.pts)
        while len(self._due) > _MOST_INSIDE:
            if self._ready and self._ready[0][0] <= self._due[0]:
                yield from self._release()
            else:
                yield self._lost()
                del self._inside[:1]

    def fail(self, packet: av.Packet[VideoStream]) -> None:
        """Note that a packet could not be decoded."""
        if packet.pts is None:
            self._num_without_time += 1
        elif packet.pts in self._inside:
            self._inside.remove(packet.pts)
            self._num_errors += 1

    def take(self, picture: av.VideoFrame) -> Iterator[Row]:
        """Yield the rows that were lost before a picture that came out, then its own."""
        while self._num_errors:
            self._num_errors -= 1
            yield self._lost()
        yield from self._without_time()
        if self._are_times_own and picture.pts is not None:
            # A decoder that is misled by damage may give a picture too early.
            heapq.heappush(self._ready, (picture.pts, self._num_taken, picture))
            self._num_taken += 1
            while self._ready and self._ready[0][0] <= self._all_put_before:
                yield from self._release()
        else:
            yield from self._take_next(picture)

    def rest(self) -> Iterator[Row]:
        """Yield the rows of what never came out."""
        while self._ready:
            yield from self._release()
        while self._due:
            yield self._lost()
        yield from self._without_time()

    def _without_time(self) -> Iterator[Row]:
        while self._num_without_time:
            self._num_without_time -= 1
            yield None, None

    def _release(self) -> Iterator[Row]:
        """Yield the earliest picture that came out, the rows that were lost before it first."""
        time, _, picture = heapq.heappop(self._ready)
        while self._due and self._due[0] < time:
            yield self._lost()
        if self._due and self._due[0] == time:
            heapq.heappop(self._due)
        elif self._last is not None and time <= self._last:
            return  # a second picture of one packet
        self._last = time
        yield picture, time

    def _take_next(self, picture: av.VideoFrame) -> Iterator[Row]:
        if picture.pts is not None and self._inside:
            if picture.pts not in self._inside:
                return  # a second picture of one packet, or one that was given up
            place = self._inside.index(picture.pts)
            del self._inside[place]
            for _ in range(place - _LARGEST_REORDERING):
                del self._inside[0]
                yield self._lost()
        yield picture, heapq.heappop(self._due) if self._due else None

    def _lost(self) -> Row:
        self._last = heapq.heappop(self._due)
        return None, self._last
