"""A stream from elsewhere: a camera's address, a capture device, or what is written to a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import cast

import av
import av.error
from av.video.stream import VideoStream

from readers.container.shown_times import with_shown_times
from readers.container.stretches import Stretches
from readers.errors import MovieError, joined, movie_errors
from readers.ffmpeg import demuxer_of, first_video, no_video, other_videos
from readers.frame_times import WITHOUT_TIMES, frame_period_s, period_in_stream
from readers.growing.feed import ArrivedPacket, EndedBy
from readers.live.streams.recording import TIME_BASE, Recording
from readers.live.streams.stream_clock import StreamClock
from readers.live.streams.stream_input import STOPPED_BEFORE, StreamInput, nothing_within

_INDEX_AT_END = (
    "is a plain .mp4 whose pictures come before their index, which a stream cannot go back to; "
    "send a fragmented one, MPEG-TS or Matroska"
)
_IN_ANOTHER_ORDER = (
    "its pictures come in another order than they are shown in, and without times; "
    "send them as MPEG-TS or Matroska, or without B-frames"
)


class _Memory:
    """Bytes for FFmpeg."""

    error: OSError | None = None

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self.size = len(data)

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes."""
        data = self._data[self._position : self._position + size]
        self._position += len(data)
        return data

    def tell(self) -> int:
        """Position in bytes from the start."""
        return self._position


class StreamFeed:
    """Packets of a stream, which are recorded as they come; see `Feed`.

    They are handed on as a reader of the recording will find them: its times, in milliseconds, its
    form of H.264, its description of the pictures. The stream never waits for anybody.

    Parameters
    ----------
    name
        What the stream is called in messages.
    source
        Gives the stream's packets.
    path
        The recording; it must not exist. There is none unless a packet comes.
    end_after_s
        Silence that is taken for the end.
    """

    format = "mkv"
    may_wait = False
    tells_times = True
    num_waiting_bytes = 0

    def __init__(self, name: str, source: StreamInput, path: Path, end_after_s: float) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()
        self._name, self._source, self._end_after_s = name, source, end_after_s
        self._resources = ExitStack()
        self._recording: Recording | None = None
        self._stream: VideoStream | None = None
        self._packets: Iterator[ArrivedPacket] = iter(())
        self._clock = StreamClock(has_times=True)
        self._stretches: Stretches | None = None
        self._num_recorded = 0
        self._damage: str | None = None

    def open(self) -> None:
        """Wait for the first packet, and begin the recording."""
        self._resources.callback(self._source.close)
        container = self._source.open()
        stream = first_video(container)
        if stream is None:
            raise self._nothing_came(no_video(container))
        if not stream.width or not stream.height or stream.codec_context is None:
            raise self._nothing_came("does not tell what its pictures are")
        note = other_videos(stream)
        self.notes = () if note is None else (note,)
        has_times = container.format.name not in WITHOUT_TIMES
        if not has_times and stream.codec_context.reorder_depth:
            raise MovieError(self._name, _IN_ANOTHER_ORDER)
        self._clock = StreamClock(has_times=has_times)
        with movie_errors(self.path):
            period_s = frame_period_s(self.path, stream)
        packets: Iterator[ArrivedPacket] = (
            packet for packet in self._source.packets(stream) if packet.packet.size
        )
        if container.format.name == "avi" and stream.codec_context.reorder_depth:
            packets = with_shown_times(packets, stream, period_in_stream(stream, period_s))
        first = next(packets, None)
        if first is None:
            if container.format.name.startswith("mov"):
                raise MovieError(self._name, _INDEX_AT_END)
            raise self._nothing_came("holds no picture")
        if has_times and stream.time_base:
            self._stretches = Stretches(float(period_s / stream.time_base))
        with movie_errors(self.path):
            self._recording = Recording(self.path, stream, 1 / period_s)
            self._resources.callback(self._recording.close)
            arrived, written = self._record(self._recording, first)
            self._stream = self._recorded_stream(self._recording.head + written, stream)
        self._packets = chain([arrived], self._recorded(self._recording, packets))

    def close(self) -> None:
        """Let go of the stream, and close the recording."""
        self._resources.close()

    @property
    def stream(self) -> VideoStream:
        """The stream of the recording."""
        if self._stream is None:
            raise ValueError("not opened")
        return self._stream

    def packets(self) -> Iterator[ArrivedPacket]:
        """Yield each packet once it is recorded; close the recording at the end."""
        return self._packets

    def stop(self) -> None:
        """Take nothing that comes from now on."""
        self._source.stop()

    def watch(self) -> None:
        """Do nothing: what comes is taken at once."""

    @property
    def ended_by(self) -> EndedBy | None:
        """Why nothing more comes; None while it may."""
        return "damaged" if self._damage is not None else self._source.ended_by

    @property
    def damage(self) -> str | None:
        """What is wrong with the stream or its recording."""
        steps = None if self._stretches is None else self._stretches.damage
        return joined(steps, self._damage or self._source.damage)

    def _nothing_came(self, problem: str) -> MovieError:
        """Make the error for a stream that lacks something, because of its end or by itself."""
        problems = {"silent": nothing_within(self._end_after_s), "stopped": STOPPED_BEFORE}
        return MovieError(self._name, self.damage or problems.get(self.ended_by or "", problem))

    def _recorded(
        self, recording: Recording, packets: Iterator[ArrivedPacket]
    ) -> Iterator[ArrivedPacket]:
        try:
            for packet in packets:
                arrived, written = self._record(recording, packet)
                if not written:
                    break
                yield arrived
        except OSError as error:
            self._damage = f"cannot be recorded any further ({error.strerror or error})"
            self._source.stop()
        finally:
            recording.close()

    def _record(self, recording: Recording, arrived: ArrivedPacket) -> tuple[ArrivedPacket, bytes]:
        """Record a packet; give it as it is in the recording, and what was written."""
        packet = arrived.packet
        if self._stretches is not None:
            packet = self._stretches.place(packet)
            if self._stretches.begins:
                self._stretches.note(self._num_recorded)
        self._num_recorded += 1
        shown_ms, decoded_ms = self._clock.times_ms(packet, arrived.arrival_time_s)
        content = recording.content(packet)
        written = recording.add(content, shown_ms, is_keyframe=packet.is_keyframe)
        recorded = cast("av.Packet[VideoStream]", av.Packet(content))
        recorded.pts, recorded.dts, recorded.time_base = shown_ms, decoded_ms, TIME_BASE
        recorded.is_keyframe = packet.is_keyframe
        return ArrivedPacket(recorded, arrived.arrival_time_s), written

    def _recorded_stream(self, data: bytes, original: VideoStream) -> VideoStream:
        """Open the recording's beginning as a reader opens all of it."""
        source = self._resources.enter_context(demuxer_of(self.path, _Memory(data), "matroska"))
        context = source.stream.codec_context
        # The one of a single packet may not know that pictures change their order.
        context.reorder_depth = max(context.reorder_depth, original.codec_context.reorder_depth)
        return source.stream
