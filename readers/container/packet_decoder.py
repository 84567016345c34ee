"""The decoder of a movie's packets: one row for each picture that they show.

Rows pair what goes into FFmpeg's decoder with what comes out of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import insort
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from readers.container.second_fields import SecondFields

Row = tuple[av.VideoFrame | None, int | None]
"""A picture, None where none was made, and its presentation time in the stream's time base."""

_MOST_INSIDE = 64
"""Packets that a decoder may hold back: H.264 puts 16 pictures into order."""
_LARGEST_REORDERING = 17
"""Packets by which a picture may leave the decoder later than one that went in after it."""
_WITH_HIDDEN_PICTURES = ("vp8", "vp9")
"""Codecs that have packets of pictures which others are made from, and which are not shown."""
_LARGEST_NOT_CODED_BYTES = 19
"""Of a packet of MPEG-4 that says that nothing has changed."""
_NUM_TRIED_PACKETS = 8
_STRICT = {"err_detect": "explode"}
_MPEG4_PICTURE = b"\x00\x00\x01\xb6"


class PacketDecoder:
    """A stream's decoder, which takes packets and gives rows in the order of presentation.

    A packet that shows no picture by its nature has no row: the second field of a picture, a hidden
    picture of VP8 and VP9, and, at the beginning of a stretch, a picture that comes behind the
    first key picture, is shown before it and is made from others that are not there.

    JPEGs are decoded strictly: FFmpeg otherwise passes damaged pictures with a part of them wrong.
    There may be cameras with whose every picture it then finds fault. Where it does with the first
    eight, they are decoded as they are; up to eight packets wait until this is known.

    `frame_period` is the nominal time from one frame to the next, in units of the stream's time
    base. Of an .avi, the packets' times are their numbers.
    """

    def __init__(self, stream: VideoStream, frame_period: int) -> None:
        self._stream = stream
        self._context = stream.codec_context
        self._frame_period = frame_period
        self._second_fields = SecondFields(self._context.name, self._context.extradata)
        self._is_avi = stream.container.format.name == "avi"
        # Of a transport stream, FFmpeg marks the packet before the one that has lost a part.
        self._marks_too_early = stream.container.format.name == "mpegts"
        self._is_marked = False
        self._suspect: av.Packet[VideoStream] | None = None
        self._rows: _Rows = _RowsByTime()
        self._tried: list[av.Packet[VideoStream]] = []
        self._strict: VideoCodecContext | None = None
        if self._context.name == "mjpeg" and "err_detect" not in self._context.options:
            self._strict = VideoCodecContext.create("mjpeg", "r")
            if self._context.extradata:
                self._strict.extradata = self._context.extradata
            self._strict.codec_tag = self._context.codec_tag
            self._strict.options = {**self._context.options, **_STRICT}
        self._number = 0
        self._num_rows = 0
        self._key_time: int | None = None
        self._last_time = 0
        self.has_second_fields = False
        """Whether there was one so far: the movie has fewer pictures than packets."""
        self.rowless_times: set[int] = set()
        """Of an .avi: numbers of packets without a row. The caller removes those it has seen."""

    def put(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Decode a packet, whose time is changed; yield the rows known now. Take all of them."""
        if self._strict is not None:
            self._tried.append(packet)
            is_flawless = False
            with suppress(av.error.FFmpegError):
                is_flawless = bool(packet.size and self._strict.decode(packet))
            if is_flawless:
                self._context.options = {**self._context.options, **_STRICT}
            if is_flawless or len(self._tried) == _NUM_TRIED_PACKETS:
                yield from self.put_tried()
            return
        # Where recordings were joined, nothing is missing before the key picture of the next one.
        yield from self._put_suspect(is_damaged=not packet.is_keyframe)
        is_behind_marked, self._is_marked = self._is_marked, packet.is_corrupt
        if is_behind_marked and self._marks_too_early:
            self._suspect = packet
        else:
            is_damaged = packet.is_corrupt and not self._marks_too_early
            yield from self._put(packet, is_damaged=is_damaged)

    @property
    def num_waiting(self) -> int:
        """Packets that wait until it is known how they are decoded."""
        return len(self._tried)

    def pass_over(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Do as `put` without decoding, where pictures stand alone: the row has no picture."""
        yield from self.put_tried()
        yield from self._expect(packet)
        yield from self._rows.rest()  # nothing is inside the decoder

    @property
    def lag(self) -> int:
        """How much later than its row a packet of an .avi stands, in units of time."""
        return self._rows.lag * self._frame_period

    def begin_anew(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Yield the rows that are left before a packet with which another recording begins.

        Nothing is let go of unless the packet is one that a decoder can begin with, nor while it is
        not known how JPEGs, which stand alone, are decoded.
        """
        if self._strict is not None:
            return
        yield from self._put_suspect(is_damaged=False)
        if packet.is_keyframe:
            yield from self.rest()
            self._context.flush_buffers()
            self._key_time = None

    def rest(self) -> Iterator[Row]:
        """Empty the decoder at the end of the movie; yield the rows that are left."""
        yield from self.put_tried()
        yield from self._put_suspect(is_damaged=True)
        pictures: list[av.VideoFrame] = []
        with suppress(av.error.FFmpegError):
            pictures = self._context.decode(None) if self._number else []
        for picture in pictures:
            yield from self._rows.take(picture)
        yield from self._rows.rest()

    def put_tried(self) -> Iterator[Row]:
        """Decode the packets that wait until it is known how; yield the rows known now."""
        tried, self._tried, self._strict = self._tried, [], None
        for packet in tried:
            yield from self.put(packet)

    def _put_suspect(self, *, is_damaged: bool) -> Iterator[Row]:
        suspect, self._suspect = self._suspect, None
        if suspect is not None:
            yield from self._put(suspect, is_damaged=is_damaged)

    def _put(self, packet: av.Packet[VideoStream], *, is_damaged: bool) -> Iterator[Row]:
        yield from self._expect(packet)
        number = packet.pts = self._number  # the decoder hands it on with the picture
        pictures = None
        # The decoder would take an empty packet for the end, and pair a field with the next one.
        if packet.size and not is_damaged and not self._second_fields.lacks_first:
            # Of any kind: a size that is nonsense is told as lack of memory.
            with suppress(av.error.FFmpegError):
                pictures = self._context.decode(packet)
        if pictures is None:
            self._rows.fail(number)
            return
        codec = self._context.name
        if not pictures and codec in _WITH_HIDDEN_PICTURES:
            self._rows.say(number, repeats=False)
        elif not pictures and codec == "mpeg4":
            is_short = packet.size <= _LARGEST_NOT_CODED_BYTES
            if packet.size == 1 or (is_short and bytes(packet).startswith(_MPEG4_PICTURE)):
                self._rows.say(number, repeats=True)
        for picture in pictures:
            yield from self._rows.take(picture)

    def _expect(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Give a packet its number, and add it to the rows if it is to have one."""
        self._number += 1
        time = packet.pts
        # An .avi counts packets in the order of decoding; a .mp4 without composition offsets says
        # of each picture that it is shown when it is decoded.
        is_in_order = time is None or (self._stream.has_b_frames and time == packet.dts)
        if self._number == 1 and is_in_order:
            lag = self._context.reorder_depth if self._is_avi else 0
            self._rows = _RowsInOrder(lag, self._frame_period)
        if packet.is_discard:
            return
        if self._second_fields.is_one(packet):
            self.has_second_fields = True
            if self._is_avi and time is not None:
                self.rowless_times.add(time)
            return
        if self._is_avi and self._context.name == "mpeg4" and self._is_placeholder(packet):
            return
        self._num_rows += 1
        yield from self._rows.put(self._number, packet)
        if self._key_time is None and packet.is_keyframe:
            self._key_time = time
        elif time is not None and self._key_time is not None and time < self._key_time:
            self._rows.say(self._number, repeats=False)

    def _is_placeholder(self, packet: av.Packet[VideoStream]) -> bool:
        """Tell whether an encoder of MPEG-4 had nothing to give yet when it gave this packet.

        One that looks ahead puts packets of one byte, or empty ones, behind the first picture, and
        later packs two pictures into one packet. The first rows have the times of the placeholders.
        """
        rows, time = self._rows, packet.pts
        if time is None or not isinstance(rows, _RowsInOrder):
            return False
        is_second = self._num_rows == 1
        is_placeholder = is_second and packet.size == 1
        if is_placeholder or (rows.lag and bytes(packet).count(_MPEG4_PICTURE) > 1):
            rows.lag = 0
            if is_second:
                first = self._last_time + self._frame_period
                rows.times.extend(range(first, time + is_placeholder, self._frame_period))
        self._last_time = time
        return is_placeholder


class _Rows(ABC):
    """One row for each packet that shows a picture, in the order of presentation.

    Packets have numbers in the order of decoding. One of which no picture comes is a row without a
    picture, whether the decoder reports an error, drops the packet silently, or finds nothing to
    begin with after a damaged key frame. `say` tells the exceptions.
    """

    lag = 0

    def __init__(self) -> None:
        self._silent: dict[int, bool] = {}
        self._last_picture: av.VideoFrame | None = None

    @abstractmethod
    def put(self, number: int, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Add a packet before it is decoded; yield rows for which it is too late."""

    @abstractmethod
    def fail(self, number: int) -> None:
        """Note that a packet could not be decoded."""

    @abstractmethod
    def take(self, picture: av.VideoFrame) -> Iterator[Row]:
        """Yield the rows that are known now that a picture with its packet's number came out."""

    @abstractmethod
    def rest(self) -> Iterator[Row]:
        """Yield the rows of what never came out."""

    def say(self, number: int, *, repeats: bool) -> None:
        """Say what a packet without a picture of its own means.

        Its row repeats the picture before, or it has no row. Any other packet without a picture is
        lost.
        """
        self._silent[number] = repeats

    def _row(self, number: int, picture: av.VideoFrame | None, time: int | None) -> list[Row]:
        """Give the row of a packet, if it has one."""
        repeats = self._silent.pop(number, None)
        if picture is not None:
            self._last_picture = picture
            return [(picture, time)]
        if repeats is None:
            return [(None, time)]
        return [(self._last_picture, time)] if repeats else []


class _RowsByTime(_Rows):
    """Rows of packets that each tell the time of their own picture."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[int, int]] = []  # places and numbers of packets without a row, sorted
        self._times: dict[int, int | None] = {}  # of the same packets, by number
        self._pictures: dict[int, av.VideoFrame] = {}  # those that have come out
        self._latest = 0
        self._all_put_before = 0

    def put(self, number: int, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        time, decoding_time = packet.pts, packet.dts
        place = self._latest if time is None else time  # behind all that came before
        self._latest = max(self._latest, place)
        self._times[number] = time
        insort(self._due, (place, number))
        # Nothing is shown before it is decoded: what is still to come is shown later than this.
        self._all_put_before = place if decoding_time is None else decoding_time
        while len(self._due) > _MOST_INSIDE:
            yield from self._give(self._due[0])

    def fail(self, number: int) -> None:
        self._silent.pop(number, None)

    def take(self, picture: av.VideoFrame) -> Iterator[Row]:
        number = picture.pts or 0
        if number not in self._times or number in self._pictures:
            return  # a second picture of one packet, or one that was given up
        self._pictures[number] = picture
        # A decoder that is misled by damage may give a picture too early.
        while (ready := self._ready()) is not None and ready[0] <= self._all_put_before:
            yield from self._give(ready)

    def rest(self) -> Iterator[Row]:
        while self._due:
            yield from self._give(self._ready() or self._due[0])

    def _ready(self) -> tuple[int, int] | None:
        """Give the place and number of the earliest packet whose picture has come out."""
        if self._pictures:
            for due in self._due:
                if due[1] in self._pictures:
                    return due
        return None

    def _give(self, due: tuple[int, int]) -> Iterator[Row]:
        """Yield the row of a packet, and before it those of earlier ones, which are lost."""
        while self._due[0][0] < due[0]:
            _, lost = self._due.pop(0)
            yield from self._row(lost, None, self._times.pop(lost))
        self._due.remove(due)
        _, number = due
        yield from self._row(number, self._pictures.pop(number, None), self._times.pop(number))


class _RowsInOrder(_Rows):
    """Rows of packets whose times are in the order of rows, whichever picture comes.

    Such are those of an .avi, and of a .mp4 without composition offsets, whose pictures are stored
    in another order than they are shown in. A packet that gave an error stands where the error
    came, and one that was lost silently at most 17 rows later than it should.

    Where the encoder looked ahead by `lag` packets, a row has the time of the packet as far behind,
    counted so that the first row has the time of the first packet. The last rows, for which there
    is no such packet, follow each other by one period.
    """

    def __init__(self, lag: int, period: int) -> None:
        super().__init__()
        self.lag = lag
        self._period = period
        self.times: deque[int | None] = deque()  # in the order of rows, those to come
        self._inside: list[int] = []  # numbers of packets without a row
        self._num_errors = 0
        self._advance: int | None = None
        self._last: int | None = None

    def put(self, number: int, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        self.times.append(packet.pts)
        self._inside.append(number)
        if len(self._inside) > _MOST_INSIDE:
            yield from self._row(self._inside.pop(0), None, self._next_time())

    def fail(self, number: int) -> None:
        if number in self._inside:
            self._inside.remove(number)
            self._num_errors += 1

    def take(self, picture: av.VideoFrame) -> Iterator[Row]:
        number = picture.pts or 0
        yield from self._errors()
        if number not in self._inside:
            return  # a second picture of one packet, or one that was given up
        for _ in range(self._inside.index(number) - _LARGEST_REORDERING):
            yield from self._row(self._inside.pop(0), None, self._next_time())
        self._inside.remove(number)
        yield from self._row(number, picture, self._next_time())
        while self._inside and self._inside[0] in self._silent:  # all before it has come
            yield from self._row(self._inside.pop(0), None, self._next_time())

    def rest(self) -> Iterator[Row]:
        yield from self._errors()
        for number in self._inside:
            yield from self._row(number, None, self._next_time())
        self._inside.clear()

    def _errors(self) -> Iterator[Row]:
        for _ in range(self._num_errors):
            yield None, self._next_time()
        self._num_errors = 0

    def _next_time(self) -> int | None:
        time = self.times.popleft() if self.times else None
        if not self.lag or time is None:
            return time
        if self._advance is None:  # the first picture has the first time
            later = self.times[self.lag - 1] if len(self.times) >= self.lag else None
            self._advance = 0 if later is None else later - time
        if len(self.times) >= self.lag:
            later = self.times[self.lag - 1]
            self._last = None if later is None else later - self._advance
        elif self._last is not None:  # nothing tells the last ones
            self._last += self._period
        return self._last
