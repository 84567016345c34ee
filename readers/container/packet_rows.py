"""Pairs what goes into a decoder with what comes out of it, so that every picture has its row."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from enum import Enum, auto

import av

Row = tuple[av.VideoFrame | None, int | None]
"""A picture, None where none was made, and its presentation time in the stream's time base."""

_MOST_INSIDE = 64
"""Packets that a decoder may hold back: H.264 puts 16 pictures into order."""
_LARGEST_REORDERING = 17
"""Packets by which a picture may leave the decoder later than one that went in after it."""


class Silence(Enum):
    """What it means that no picture comes of a packet."""

    LOST = auto()
    """The picture is lost: its row has none."""
    BY_DESIGN = auto()
    """The packet shows none: there is no row."""
    REPEATED = auto()
    """The packet says that nothing has changed: its row has the picture before."""


class PacketRows(ABC):
    """One row for each packet that shows a picture, in the order of presentation.

    Packets have numbers in the order of decoding, which the decoder hands on with the pictures.
    A packet of which no picture comes is a row without one, whether the decoder reports an error,
    drops the packet silently, or finds nothing to begin with after a damaged key frame. `say` tells
    the exceptions.
    """

    def __init__(self) -> None:
        self._silences: dict[int, Silence] = {}
        self._last_picture: av.VideoFrame | None = None

    @abstractmethod
    def put(self, number: int, time: int | None, decoding_time: int | None) -> Iterator[Row]:
        """Add a packet before it is decoded; yield rows for which it is too late."""

    @abstractmethod
    def fail(self, number: int) -> None:
        """Note that a packet could not be decoded."""

    @abstractmethod
    def take(self, number: int, picture: av.VideoFrame) -> Iterator[Row]:
        """Yield the rows that are known now that the picture of a packet has come out."""

    @abstractmethod
    def rest(self) -> Iterator[Row]:
        """Yield the rows of what never came out."""

    def say(self, number: int, silence: Silence) -> None:
        """Say what it means if no picture comes of a packet that can be decoded."""
        self._silences[number] = silence

    def _with_picture(self, number: int, picture: av.VideoFrame, time: int | None) -> Row:
        self._silences.pop(number, None)
        self._last_picture = picture
        return picture, time

    def _without_picture(self, number: int, time: int | None) -> Iterator[Row]:
        silence = self._silences.pop(number, Silence.LOST)
        if silence is not Silence.BY_DESIGN:
            yield self._last_picture if silence is Silence.REPEATED else None, time


class RowsByTime(PacketRows):
    """Rows of packets that each tell the time of their own picture."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[int, int]] = []  # heap of places and numbers: packets without a row
        self._places: dict[int, int] = {}  # of the same packets, by number: their times
        self._timeless: set[int] = set()  # those that tell none, behind all that came before
        self._ready: list[tuple[int, int, av.VideoFrame]] = []  # heap: pictures without a row
        self._latest = 0
        self._all_put_before = 0

    def put(self, number: int, time: int | None, decoding_time: int | None) -> Iterator[Row]:
        """Add a packet before it is decoded; yield rows for which it is too late."""
        if time is None:
            self._timeless.add(number)
            time = self._latest
        self._latest = max(self._latest, time)
        self._places[number] = time
        heapq.heappush(self._due, (time, number))
        # Nothing is shown before it is decoded: what is still to come is shown later than this.
        self._all_put_before = time if decoding_time is None else decoding_time
        while len(self._due) > _MOST_INSIDE:
            if self._ready and self._ready[0][:2] <= self._due[0]:
                yield from self._release()
            else:
                yield from self._give_up()

    def fail(self, number: int) -> None:
        """Note that a packet could not be decoded."""
        self._silences.pop(number, None)

    def take(self, number: int, picture: av.VideoFrame) -> Iterator[Row]:
        """Yield the rows that are known now that the picture of a packet has come out."""
        if number not in self._places:
            return  # a second picture of one packet, or one that was given up
        # A decoder that is misled by damage may give a picture too early.
        heapq.heappush(self._ready, (self._places[number], number, picture))
        while self._ready and self._ready[0][0] <= self._all_put_before:
            yield from self._release()

    def rest(self) -> Iterator[Row]:
        """Yield the rows of what never came out."""
        while self._ready:
            yield from self._release()
        while self._due:
            yield from self._give_up()

    def _release(self) -> Iterator[Row]:
        """Yield the earliest picture that came out, the rows that were lost before it first."""
        place, number, picture = heapq.heappop(self._ready)
        while self._due[0][0] < place:
            yield from self._give_up()
        self._due.remove((place, number))
        heapq.heapify(self._due)
        yield self._with_picture(number, picture, self._time_of(number))

    def _give_up(self) -> Iterator[Row]:
        _, number = heapq.heappop(self._due)
        yield from self._without_picture(number, self._time_of(number))

    def _time_of(self, number: int) -> int | None:
        place = self._places.pop(number)
        if number in self._timeless:
            self._timeless.remove(number)
            return None
        return place


class RowsInOrder(PacketRows):
    """Rows of packets whose times are in the order of rows, whichever picture comes.

    Such are those of an .avi, and of a .mp4 without composition offsets, whose pictures are stored
    in another order than they are shown in. A packet that gave an error stands where the error
    came, and one that was lost silently at most 17 rows later than it should.

    Parameters
    ----------
    lag
        Packets by which the encoder looked ahead: a row has the time of the packet as far behind,
        counted so that the first row has the time of the first packet. The last rows, for which
        there is no such packet, follow each other by one period.
    period
        Time from one frame to the next.
    """

    def __init__(self, lag: int = 0, period: int = 1) -> None:
        super().__init__()
        self.lag = lag
        self._period = period
        self._times: deque[int | None] = deque()  # in the order of rows, those to come
        self._inside: list[int] = []  # numbers of packets without a row
        self._num_errors = 0
        self._advance: int | None = None
        self._last: int | None = None

    def put(
        self,
        number: int,
        time: int | None,
        decoding_time: int | None,  # noqa: ARG002 - tells nothing here
    ) -> Iterator[Row]:
        """Add a packet before it is decoded; yield rows for which it is too late."""
        self.put_time(time)
        self._inside.append(number)
        if len(self._inside) > _MOST_INSIDE:
            yield from self._without_picture(self._inside.pop(0), self._next_time())

    def put_time(self, time: int | None) -> None:
        """Add a time for a row, without a packet."""
        self._times.append(time)

    def fail(self, number: int) -> None:
        """Note that a packet could not be decoded."""
        if number in self._inside:
            self._inside.remove(number)
            self._num_errors += 1

    def take(self, number: int, picture: av.VideoFrame) -> Iterator[Row]:
        """Yield the rows that were lost before the picture of a packet, then its own."""
        yield from self._errors()
        if number not in self._inside:
            return  # a second picture of one packet, or one that was given up
        for _ in range(self._inside.index(number) - _LARGEST_REORDERING):
            yield from self._without_picture(self._inside.pop(0), self._next_time())
        self._inside.remove(number)
        yield self._with_picture(number, picture, self._next_time())
        while self._inside and self._inside[0] in self._silences:  # all before it has come
            yield from self._without_picture(self._inside.pop(0), self._next_time())

    def rest(self) -> Iterator[Row]:
        """Yield the rows of what never came out."""
        yield from self._errors()
        for number in self._inside:
            yield from self._without_picture(number, self._next_time())
        self._inside.clear()

    def _errors(self) -> Iterator[Row]:
        while self._num_errors:
            self._num_errors -= 1
            yield None, self._next_time()

    def _next_time(self) -> int | None:
        time = self._times.popleft() if self._times else None
        if not self.lag or time is None:
            return time
        if self._advance is None:  # the first picture has the first time
            later = self._times[self.lag - 1] if len(self._times) >= self.lag else None
            self._advance = 0 if later is None else later - time
        if len(self._times) >= self.lag:
            later = self._times[self.lag - 1]
            self._last = None if later is None else later - self._advance
        elif self._last is not None:  # nothing tells the last ones
            self._last += self._period
        return self._last
