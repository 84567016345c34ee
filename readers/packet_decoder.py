"""Decodes the packets of a movie, one row for each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import av
import av.error
from av.video.stream import VideoStream

from readers.packet_rows import PacketRows, Row


class PacketDecoder:
    """Puts packets into a stream's decoder and gives rows in the order of presentation.

    Parameters
    ----------
    stream
        The stream of the packets.
    is_avi
        Whether the packets' times are their numbers in an .avi.
    """

    def __init__(self, stream: VideoStream, *, is_avi: bool) -> None:
        self._stream = stream
        self._is_avi = is_avi
        self._rows: PacketRows | None = None

    def put(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Decode a packet; yield the rows that are known now. Take all of them."""
        rows = self._rows_from(packet)
        yield from rows.put(packet)
        pictures = _decoded(self._stream, packet)
        if pictures is None:
            rows.fail(packet)
        else:
            yield from chain.from_iterable(map(rows.take, pictures))

    def pass_over(self, packet: av.Packet[VideoStream]) -> Iterator[Row]:
        """Do as `put` without decoding, where pictures stand alone: the row has no picture."""
        rows = self._rows_from(packet)
        yield from rows.put(packet)
        rows.fail(packet)
        yield from rows.rest()  # nothing is inside the decoder

    def rest(self) -> Iterator[Row]:
        """Empty the decoder at the end of the movie; yield the rows that are left."""
        if self._rows is None:
            return
        yield from chain.from_iterable(map(self._rows.take, _decoded(self._stream, None) or []))
        yield from self._rows.rest()

    def _rows_from(self, packet: av.Packet[VideoStream]) -> PacketRows:
        if self._rows is None:
            self._rows = PacketRows(are_times_own=self._are_times_own(packet))
        return self._rows

    def _are_times_own(self, first: av.Packet[VideoStream]) -> bool:
        """Tell whether FFmpeg gives each picture its own time.

        An .avi counts packets in the order of decoding; a .mp4 without composition offsets says
        of each picture that it is shown when it is decoded. Where pictures are put into another
        order, what FFmpeg gives as a picture's time is then that of another.
        """
        if not self._stream.has_b_frames:
            return True
        return not self._is_avi and first.pts != first.dts


def contiguous(stream: VideoStream, last_time: int | None, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield rows up to the first gap of more than one and a half frame periods."""
    rate = stream.average_rate or stream.guessed_rate
    if not rate or not stream.time_base:
        return
    longest_step = 1.5 / float(rate * stream.time_base)
    for row in rows:
        time = row[1]
        if time is not None and last_time is not None and time - last_time > longest_step:
            return
        last_time = time
        yield row


def _decoded(
    stream: VideoStream, packet: av.Packet[VideoStream] | None
) -> list[av.VideoFrame] | None:
    """Decode a packet, or empty the decoder; None where that fails."""
    if packet is not None and (packet.is_corrupt or not packet.size):
        return None  # only a part of it is there; or nothing, which the decoder takes for the end
    try:
        return stream.codec_context.decode(packet)
    except av.error.FFmpegError:  # of any kind: a size that is nonsense is told as lack of memory
        return None
