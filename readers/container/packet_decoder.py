"""Decodes the packets of a movie, one row for each picture that they show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
import av.error
from av.video.stream import VideoStream

from readers.container.packet_rows import PacketRows, Row, RowsByTime, RowsInOrder, Silence
from readers.container.second_fields import SecondFields

_WITH_HIDDEN_PICTURES = ("vp8", "vp9")
"""Codecs that have packets of pictures which others are made from, and which are not shown."""
_LARGEST_NOT_CODED_BYTES = 19
"""Of a packet of MPEG-4 that says that nothing has changed."""
_MPEG4_PICTURE = b"\x00\x00\x01\xb6"


class PacketDecoder:
    """Puts packets into a stream's decoder and gives rows in the order of presentation.

    A packet that shows no picture by its nature has no row: the second field of a picture, a hidden
    picture of VP8 and VP9, and, at the beginning of a stretch, a picture that comes behind the
    first key picture, is shown before it and is made from others that are not there.

    Parameters
    ----------
    stream
        The stream of the packets.
    frame_period
        Nominal time from one frame to the next in units of the stream's time base.
    is_avi
        Whether the packets' times are their numbers in an .avi.

    Attributes
    ----------
    has_second_fields
        Whether there was one so far: the movie has fewer pictures than packets.
    rowless_times
        Of an .avi: numbers of packets that have no row. The caller removes those it has seen.
    """

    def __init__(self, stream: VideoStream, frame_period: int, *, is_avi: bool) -> None:
        self._stream = stream
        self._context = stream.codec_context
        self._frame_period = frame_period
        self._is_avi = is_avi
        self._second_fields = SecondFields(self._context.name, self._context.extradata)
        # Of a transport stream, FFmpeg marks the packet before the one that has lost a part.
        self._marks_too_early = stream.container.format.name == "mpegts"
        self._is_marked = False
        self._suspect: av.Packet[VideoStream] | None = None
        self._rows: PacketRows | None = None
        self._number = 0
        self._num_rows = 0
        self._key_time: int | None = None
        self._last_time = 0
        self.has_second_fields = False
        self.rowless_times: set[int] = set()

    def put(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Decode a packet, whose time is changed; yield the rows known now. Take all of them."""
        # Where recordings were joined, nothing is missing before the key picture of the next one.
        yield from self._put_suspect(is_damaged=not packet.is_keyframe)
        is_behind_marked, self._is_marked = self._is_marked, packet.is_corrupt
        if not self._marks_too_early:
            yield from self._put(packet, is_damaged=packet.is_corrupt)
        elif is_behind_marked:
            self._suspect = packet
        else:
            yield from self._put(packet, is_damaged=False)

    def pass_over(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Do as `put` without decoding, where pictures stand alone: the row has no picture."""
        rows = self._rows_from(packet)
        yield from self._expect(rows, packet)
        yield from rows.rest()  # nothing is inside the decoder

    @property
    def lag(self) -> int:
        """How much later than its row a packet of an .avi stands, in units of time."""
        return self._rows.lag * self._frame_period if isinstance(self._rows, RowsInOrder) else 0

    def begin_anew(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Yield the rows that are left before a packet with which another recording begins.

        Nothing is let go of unless the packet is one that a decoder can begin with.
        """
        yield from self._put_suspect(is_damaged=False)
        if packet.is_keyframe:
            yield from self.rest()
            self._context.flush_buffers()
            self._key_time = None

    def rest(self) -> Iterator[Row]:
        """Empty the decoder at the end of the movie; yield the rows that are left."""
        yield from self._put_suspect(is_damaged=True)
        if self._rows is not None:
            yield from self._taken(self._rows, self._decoded(None) or [])
            yield from self._rows.rest()

    def _put_suspect(self, *, is_damaged: bool) -> Iterator[Row]:
        suspect, self._suspect = self._suspect, None
        if suspect is not None:
            yield from self._put(suspect, is_damaged=is_damaged)

    def _put(self, packet: av.Packet[VideoStream], *, is_damaged: bool) -> Iterator[Row]:
        rows = self._rows_from(packet)
        yield from self._expect(rows, packet)
        number = packet.pts = self._number  # the decoder hands it on with the picture
        pictures = None if is_damaged else self._decoded(packet)
        if pictures is None:
            rows.fail(number)
            return
        if not pictures and self._context.name in _WITH_HIDDEN_PICTURES:
            rows.say(number, Silence.BY_DESIGN)
        elif not pictures and self._is_not_coded(packet):
            rows.say(number, Silence.REPEATED)
        yield from self._taken(rows, pictures)

    def _expect(self, rows: PacketRows, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Give a packet its number, and add it to the rows if it is to have one."""
        self._number += 1
        time = packet.pts
        if packet.is_discard:
            return
        if self._second_fields.is_one(packet):
            self.has_second_fields = True
            if self._is_avi and time is not None:
                self.rowless_times.add(time)
            return
        if self._is_avi and isinstance(rows, RowsInOrder) and self._is_placeholder(rows, packet):
            return
        self._num_rows += 1
        yield from rows.put(self._number, time, packet.dts)
        if self._key_time is None and packet.is_keyframe:
            self._key_time = time
        elif time is not None and self._key_time is not None and time < self._key_time:
            rows.say(self._number, Silence.BY_DESIGN)

    def _is_not_coded(self, packet: av.Packet[VideoStream]) -> bool:
        """Tell whether a packet of which no picture comes says that nothing has changed."""
        if self._context.name != "mpeg4" or packet.size > _LARGEST_NOT_CODED_BYTES:
            return False
        return packet.size == 1 or bytes(packet).startswith(_MPEG4_PICTURE)

    def _is_placeholder(self, rows: RowsInOrder, packet: av.Packet[VideoStream]) -> bool:
        """Tell whether an encoder of MPEG-4 had nothing to give yet when it gave this packet.

        One that looks ahead puts packets of one byte, or empty ones, behind the first picture, and
        later packs two pictures into one packet. The first rows have the times of the placeholders.
        """
        if self._context.name != "mpeg4" or packet.pts is None:
            return False
        is_second = self._num_rows == 1
        is_placeholder = is_second and packet.size == 1
        if is_placeholder or (rows.lag and bytes(packet).count(_MPEG4_PICTURE) > 1):
            rows.lag = 0
            if is_second:
                first = self._last_time + self._frame_period
                for time in range(first, packet.pts + is_placeholder, self._frame_period):
                    rows.put_time(time)
        self._last_time = packet.pts
        return is_placeholder

    def _taken(self, rows: PacketRows, pictures: Iterable[av.VideoFrame]) -> Iterator[Row]:
        for picture in pictures:
            yield from rows.take(picture.pts or 0, picture)

    def _rows_from(self, first: av.Packet[VideoStream]) -> PacketRows:
        """Tell whether packets have the times of their own pictures.

        An .avi counts packets in the order of decoding; a .mp4 without composition offsets says
        of each picture that it is shown when it is decoded.
        """
        if self._rows is None:
            if first.pts is None or (self._stream.has_b_frames and first.pts == first.dts):
                lag = self._context.reorder_depth if self._is_avi else 0
                self._rows = RowsInOrder(lag, self._frame_period)
            else:
                self._rows = RowsByTime()
        return self._rows

    def _decoded(self, packet: av.Packet[VideoStream] | None) -> list[av.VideoFrame] | None:
        """Decode a packet, or empty the decoder; None where that fails."""
        if packet is not None and not packet.size:
            return None  # which the decoder would take for the end
        if packet is not None and self._second_fields.lacks_first:
            return None
        try:
            return self._context.decode(packet)
        except av.error.FFmpegError:  # any: a size that is nonsense is told as lack of memory
            return None


def contiguous(rows: Iterator[Row], last_time: int | None, frame_period: int) -> Iterator[Row]:
    """Yield rows up to the first gap of more than one and a half frame periods."""
    for row in rows:
        time = row[1]
        if time is not None and last_time is not None and time - last_time > 1.5 * frame_period:
            return
        last_time = time
        yield row
