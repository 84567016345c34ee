"""The way from packets to frames, for movies that are finished and for those being recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

import av
import av.error
from av.video.stream import VideoStream

from readers.base import DecodedFrame
from readers.container.packet_decoder import PacketDecoder, Row
from readers.container.parts import empty_chunks_behind
from readers.errors import joined
from readers.ffmpeg import Demuxer
from readers.frame_times import AviIndex, FrameClock, Stretches, period_in_stream
from readers.frames import FrameStatus


@dataclass
class PictureSizes:
    """The size of a movie's pictures, as far as they were looked at in order."""

    change: str | None = None
    """Both sizes, and the first frame of another one, in one line; None where there is none."""
    _first: tuple[int, int] | None = field(default=None, init=False)
    _num_frames: int = field(default=0, init=False)

    def look(self, picture: av.VideoFrame | None) -> None:
        """Look at the next frame."""
        if picture is not None and self.change is None:
            size = (picture.width, picture.height)
            width, height = self._first = self._first or size
            if size != self._first:
                self.change = (
                    f"changes its size at frame {self._num_frames}, from {width} x {height} to "
                    f"{size[0]} x {size[1]} pixels; frames that are not of the first "
                    "size are not looked at, and their poses are NaN"
                )
        self._num_frames += 1


class PacketFrames:
    """The frames of a movie's packets, which are put in one after the other.

    A frame is undecodable where no picture came of its packet, or where the decoder itself flags
    the picture as damaged: it fills what it cannot read with what was there before.

    Its time is the container's, from the first frame on; where that tells none (.isxb), it is
    that of its arrival, from the arrival of the first frame on. A frame has arrived when its
    packet has: pictures that it refers to came before.

    Of an .avi, the packets' times are their numbers. Where the index of a finished one is
    given, frames without a packet are added; most are chunks of no bytes: frames that the recorder
    dropped.
    """

    def __init__(
        self,
        stream: VideoStream,
        frame_period_s: Fraction,
        *,
        avi_index: AviIndex | None = None,
        tells_times: bool = True,
    ) -> None:
        self._frame_period = period_in_stream(stream, frame_period_s)
        self._decoder = PacketDecoder(stream, self._frame_period)
        self._avi_index = avi_index
        self.stretches = Stretches(self._frame_period)
        self.sizes = PictureSizes()
        self._clock = FrameClock(frame_period_s, stream.time_base) if tells_times else None
        self._num_frames = 0
        self._last_time: int | None = None
        self._expected_time = 0
        self._arrivals_s: dict[int | None, float] = {}
        self._first_arrival_s: float | None = None
        self._last_arrival_s = math.nan

    @property
    def has_second_fields(self) -> bool:
        """Whether pictures came in two packets so far."""
        return self._decoder.has_second_fields

    def put(
        self,
        packet: av.Packet[VideoStream],
        arrival_time_s: float | None = None,
        *,
        is_skipped: bool = False,
    ) -> Iterator[DecodedFrame]:
        """Decode a packet; yield the frames that are known now. Take all of them.

        One that is skipped is not decoded: its picture has to stand alone.
        """
        packet = self.stretches.place(packet)
        if self.stretches.begins:
            yield from self._frames(self._decoder.begin_anew(packet))
            self.stretches.note(self._num_frames + self._decoder.num_waiting)
        if arrival_time_s is not None:
            self._last_arrival_s = arrival_time_s
            if packet.pts is not None and not packet.is_discard:
                self._arrivals_s[packet.pts] = arrival_time_s
        if is_skipped:
            for frame in self._frames(self._decoder.pass_over(packet)):
                yield replace(frame, status=FrameStatus.SKIPPED)
        else:
            yield from self._frames(self._decoder.put(packet))

    def rest(self, *, is_cut_off: bool) -> Iterator[DecodedFrame]:
        """Yield what is still inside the decoder at the end of the movie.

        Of one that was cut off, pictures may be missing between the last ones, since they are
        stored in another order than they are shown in. Frames behind such a gap, of more than one
        and a half frame periods, are left out, because their number is unknown.
        """
        yield from self._frames(self._decoder.put_tried())
        for picture, time in self._decoder.rest():
            last = self._last_time
            step = 0 if time is None or last is None else time - last
            if is_cut_off and step > 1.5 * self._frame_period:
                return
            yield from self._frames([(picture, time)])

    def without_packet(self, index: AviIndex, count: int) -> Iterator[DecodedFrame]:
        """Yield the next frames of an .avi, for which there is no packet."""
        first_time = self._expected_time
        for number in range(count):
            time = first_time + number * self._frame_period
            is_lost = index.take_lost(time + self._decoder.lag)
            status = FrameStatus.UNDECODABLE if is_lost else FrameStatus.DROPPED
            yield self._frame(None, time, status)

    def _frames(self, rows: Iterable[Row]) -> Iterator[DecodedFrame]:
        for picture, time in rows:
            if self._avi_index is not None and time is not None:
                expected, rowless = self._expected_time, self._decoder.rowless_times
                num_rowless = sum(expected <= each < time for each in rowless)
                rowless.difference_update([each for each in rowless if each < time])
                num_missing = round((time - expected) / self._frame_period) - num_rowless
                yield from self.without_packet(self._avi_index, num_missing)
                self._expected_time = time
            self._expected_time += self._frame_period
            self._last_time = time
            if picture is None or picture.is_corrupt:
                yield self._frame(None, time, FrameStatus.UNDECODABLE)
            else:
                yield self._frame(picture, time, FrameStatus.DECODED)

    def _frame(
        self, picture: av.VideoFrame | None, time: int | None, status: FrameStatus
    ) -> DecodedFrame:
        self._num_frames += 1
        self.sizes.look(picture)
        arrival_s = self._arrivals_s.pop(time, self._last_arrival_s)
        if self._first_arrival_s is None:
            self._first_arrival_s = arrival_s
        time_s = arrival_s - self._first_arrival_s
        if self._clock is not None:
            time_s = self._clock.time_s(time)
        return DecodedFrame(picture, time_s, status=status, arrival_time_s=arrival_s)


class ContainerFrames(PacketFrames):
    """All frames of a movie that FFmpeg has opened, from the first to the last."""

    def __init__(
        self, source: Demuxer, frame_period_s: Fraction, *, is_cut_off: bool = False
    ) -> None:
        index = AviIndex(source.stream) if source.container.format.name == "avi" else None
        super().__init__(source.stream, frame_period_s, avi_index=index)
        self._source = source
        self._is_cut_off = is_cut_off
        self._end: str | None = None

    @property
    def damage(self) -> str | None:
        """What is wrong with the movie, as far as it was read; None for nothing."""
        return joined(self.stretches.damage, self._end, self.sizes.change)

    def __iter__(self) -> Iterator[DecodedFrame]:
        """Yield every frame, in the order of presentation."""
        index, packet = self._avi_index, None
        try:
            for packet in self._source.packets():
                if index is not None:
                    index.number(packet)
                yield from self.put(packet)
        except av.error.FFmpegError as error:
            yield from self._frames(self._decoder.put_tried())
            self._end = f"cannot be read beyond frame {self._num_frames} ({error.strerror})"
        yield from self.rest(is_cut_off=self._is_cut_off)
        if index is None:
            return
        num_missing = index.num_behind(self._source.file.size)
        if packet is not None and packet.pos is not None:
            end = packet.pos + packet.size + packet.size % 2
            num_empty = empty_chunks_behind(self._source.file.peek, end, self._source.stream.index)
            num_missing += num_empty // self._frame_period
        yield from self.without_packet(index, num_missing)
