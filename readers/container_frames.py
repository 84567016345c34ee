"""The frames of a .mp4 or .avi, one row for each that the container counts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import av
import av.error
from av.video.stream import VideoStream

from readers.avi_index import AviIndex
from readers.demuxer import Demuxer
from readers.file_end import empty_chunks_behind
from readers.frames import FrameStatus
from readers.packet_rows import PacketRows, Row

Frame = tuple[av.VideoFrame | None, int | None, FrameStatus]
"""A picture, None where there is none, its time in the stream's time base, and its status."""


class ContainerFrames:
    """Decodes a movie from its first frame to its last.

    A frame is undecodable where no picture came of its packet, or where the decoder itself flags
    the picture as damaged: it fills what it cannot read with what was there before.

    Parameters
    ----------
    source
        The opened movie.
    is_cut_off
        Whether the file ends before it should. Pictures may then be missing between the last
        ones, since they are stored in another order than they are shown in; frames behind such a
        gap are left out, because nobody knows their number.

    Attributes
    ----------
    damage
        Why nothing can be read from some frame on, once that is known.
    """

    def __init__(self, source: Demuxer, *, is_cut_off: bool = False) -> None:
        self._source = source
        self._is_cut_off = is_cut_off
        is_avi = source.container.format.name == "avi"
        self._avi_index = AviIndex(source.stream) if is_avi else None
        self._last_packet: av.Packet[VideoStream] | None = None
        self._num_frames = 0
        self.damage: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame, in the order of presentation."""
        index = self._avi_index
        for frame in map(_frame, self._rows()) if index is None else self._with_dropped(index):
            self._num_frames += 1
            yield frame

    def _rows(self) -> Iterator[Row]:
        last_time: int | None = None
        rows = None
        for packet in self._packets():
            rows = rows or PacketRows(are_times_own=self._are_times_own(packet))
            yield from rows.put(packet)
            pictures = _decoded(self._source.stream, packet)
            if pictures is None:
                rows.fail(packet)
                continue
            for row in chain.from_iterable(map(rows.take, pictures)):
                last_time = row[1]
                yield row
        if rows is not None:
            pictures = _decoded(self._source.stream, None) or []
            inside = chain(chain.from_iterable(map(rows.take, pictures)), rows.rest())
            yield from self._contiguous(last_time, inside) if self._is_cut_off else inside

    def _packets(self) -> Iterator[av.Packet[VideoStream]]:
        try:
            for packet in self._source.packets():
                if self._avi_index is not None:
                    self._avi_index.number(packet)
                self._last_packet = packet
                yield packet
        except av.error.FFmpegError as error:
            self.damage = f"cannot be read beyond frame {self._num_frames} ({error.strerror})"

    def _are_times_own(self, first: av.Packet[VideoStream]) -> bool:
        """Tell whether FFmpeg gives each picture its own time.

        An .avi counts packets in the order of decoding; a .mp4 without composition offsets says
        of each picture that it is shown when it is decoded. Where pictures are put into another
        order, what FFmpeg gives as a picture's time is then that of another.
        """
        if not self._source.stream.has_b_frames:
            return True
        return self._avi_index is None and first.pts != first.dts

    def _contiguous(self, last_time: int | None, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield rows up to the first gap of more than one and a half frame periods."""
        stream = self._source.stream
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

    def _with_dropped(self, index: AviIndex) -> Iterator[Frame]:
        """Add the frames that an .avi counts without giving a packet.

        Most are chunks of no bytes: frames that the recorder dropped.
        """
        expected = 0
        for picture, time in self._rows():
            if time is not None:
                yield from _without_packet(index, expected, time - expected)
                expected = time
            expected += 1
            yield _frame((picture, time))
        num_missing = index.num_behind(self._source.file.size) + self._num_empty_chunks_behind()
        yield from _without_packet(index, expected, num_missing)

    def _num_empty_chunks_behind(self) -> int:
        packet = self._last_packet
        if packet is None or packet.pos is None:
            return 0
        end = packet.pos + packet.size + packet.size % 2
        return empty_chunks_behind(self._source.file, end, self._source.stream.index)


def _without_packet(index: AviIndex, first_time: int, count: int) -> Iterator[Frame]:
    for time in range(first_time, first_time + count):
        is_lost = index.take_lost(time)
        yield None, time, FrameStatus.UNDECODABLE if is_lost else FrameStatus.DROPPED


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


def _frame(row: Row) -> Frame:
    picture, time = row
    if picture is None or picture.is_corrupt:
        return None, time, FrameStatus.UNDECODABLE
    return picture, time, FrameStatus.DECODED
