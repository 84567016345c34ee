"""The frames of a movie of any camera, one for each that the container counts."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.video.stream import VideoStream

from readers.base import DecodedFrame
from readers.container.avi_index import AviIndex
from readers.container.packet_decoder import PacketDecoder, Row, contiguous
from readers.container.parts import empty_chunks_behind
from readers.errors import joined
from readers.ffmpeg import Demuxer
from readers.frame_times import FrameClock, Stretches, period_in_stream
from readers.frames import FrameStatus

_Frame = tuple[av.VideoFrame | None, int | None, FrameStatus]
"""A row with its status."""


class ContainerFrames:
    """A movie's frames, decoded from the first to the last.

    A frame is undecodable where no picture came of its packet, or where the decoder itself flags
    the picture as damaged: it fills what it cannot read with what was there before.

    Parameters
    ----------
    source
        The opened movie.
    frame_period_s
        Nominal time from one frame to the next.
    is_cut_off
        Whether the file ends before it should. Pictures may then be missing between the last
        ones, since they are stored in another order than they are shown in; frames behind such a
        gap are left out, because their number is unknown.
    """

    def __init__(
        self, source: Demuxer, frame_period_s: Fraction, *, is_cut_off: bool = False
    ) -> None:
        self._source = source
        self._clock = FrameClock(frame_period_s, source.stream.time_base)
        self._frame_period = period_in_stream(source.stream, frame_period_s)
        self._is_cut_off = is_cut_off
        is_avi = source.container.format.name == "avi"
        self._avi_index = AviIndex(source.stream) if is_avi else None
        self._decoder = PacketDecoder(source.stream, self._frame_period, is_avi=is_avi)
        self._last_packet: av.Packet[VideoStream] | None = None
        self._num_frames = 0
        self._stretches = Stretches(self._frame_period)
        self._end: str | None = None

    @property
    def damage(self) -> str | None:
        """Why nothing can be read from some frame on, or that times step back; None for neither."""
        return joined(self._stretches.damage, self._end)

    @property
    def has_second_fields(self) -> bool:
        """Whether pictures came in two packets so far."""
        return self._decoder.has_second_fields

    def __iter__(self) -> Iterator[DecodedFrame]:
        """Yield every frame, in the order of presentation."""
        index = self._avi_index
        frames = map(frame_of, self._rows()) if index is None else self._with_dropped(index)
        for picture, time, status in frames:
            self._num_frames += 1
            yield DecodedFrame(picture, self._clock.time_s(time), status=status)

    def _rows(self) -> Iterator[Row]:
        decoder = self._decoder
        stretches = self._stretches
        last_time: int | None = None
        for packet in self._packets():
            placed = stretches.place(packet)
            if stretches.begins:
                yield from decoder.begin_anew(placed)
                stretches.note(self._num_frames)
            for row in decoder.put(placed):
                last_time = row[1]
                yield row
        rest = decoder.rest()
        yield from contiguous(rest, last_time, self._frame_period) if self._is_cut_off else rest

    def _packets(self) -> Iterator[av.Packet[VideoStream]]:
        try:
            for packet in self._source.packets():
                if self._avi_index is not None:
                    self._avi_index.number(packet)
                self._last_packet = packet
                yield packet
        except av.error.FFmpegError as error:
            self._end = f"cannot be read beyond frame {self._num_frames} ({error.strerror})"

    def _with_dropped(self, index: AviIndex) -> Iterator[_Frame]:
        """Add the frames that an .avi counts without giving a packet.

        Most are chunks of no bytes: frames that the recorder dropped.
        """
        expected = 0
        for picture, time in self._rows():
            if time is not None:
                rowless = self._decoder.rowless_times
                num_rowless = sum(expected <= each < time for each in rowless)
                rowless.difference_update([each for each in rowless if each < time])
                num_missing = round((time - expected) / self._frame_period) - num_rowless
                yield from self._without_packet(index, expected, num_missing)
                expected = time
            expected += self._frame_period
            yield frame_of((picture, time))
        num_missing = index.num_behind(self._source.file.size)
        packet = self._last_packet
        if packet is not None and packet.pos is not None:
            end = packet.pos + packet.size + packet.size % 2
            num_empty = empty_chunks_behind(self._source.file.peek, end, self._source.stream.index)
            num_missing += num_empty // self._frame_period
        yield from self._without_packet(index, expected, num_missing)

    def _without_packet(self, index: AviIndex, first_time: int, count: int) -> Iterator[_Frame]:
        for number in range(count):
            time = first_time + number * self._frame_period
            is_lost = index.take_lost(time + self._decoder.lag)
            yield None, time, FrameStatus.UNDECODABLE if is_lost else FrameStatus.DROPPED


def frame_of(row: Row) -> _Frame:
    """Tell the status of a row; a picture that the decoder flags as damaged is left out."""
    picture, time = row
    if picture is None or picture.is_corrupt:
        return None, time, FrameStatus.UNDECODABLE
    return picture, time, FrameStatus.DECODED
