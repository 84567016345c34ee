"""A stream that is recorded as it comes: the recording is a file that grows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from threading import Event, Lock, Thread

import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from readers.container.packet_decoder import PacketDecoder, Row
from readers.container.reader import ContainerFeed
from readers.errors import MovieError, joined, movie_errors
from readers.ffmpeg import first_video, no_video, other_videos, packet_of
from readers.frame_times import WITHOUT_TIMES, Stretches, frame_period_s, period_in_stream
from readers.growing.feed import ArrivedPacket
from readers.growing.growing_file import EndedBy, GrowingFile, now_s
from readers.live.streams.connections import Connection
from readers.live.streams.recording import Recording, RecordingClock

_LOOK_EVERY_S = 0.1
_LONGEST_FAREWELL_S = 1.0
"""A thread that is called off but does not come back is left behind."""
_MOST_WAITING = 32
"""Packets of an .avi; one whose picture has not come by then never will."""
_INDEX_AT_END = (
    "is a plain .mp4 whose pictures come before their index, which a stream cannot go back to; "
    "send a fragmented one, MPEG-TS or Matroska"
)
_IN_ANOTHER_ORDER = (
    "its pictures come in another order than they are shown in, and without times; "
    "send them as MPEG-TS or Matroska, or without B-frames"
)


class StreamFeed(ContainerFeed):
    """Packets of a stream, as they are in its recording; see `Feed`."""

    is_recorded_here = True

    def __init__(self, recorded: RecordedStream) -> None:
        super().__init__(recorded)
        self._recorded = recorded

    def open(self) -> None:
        """Wait for the first picture, and for what the recording tells of it."""
        super().open()
        self.notes += self._recorded.notes


class RecordedStream(GrowingFile):
    """The recording of a stream, which a thread of its own writes; see `GrowingFile`.

    That thread takes in what comes; what was not read yet waits in the file. It tells of
    each picture, so that the file itself need not be looked at. However the stream ends, the file
    is closed.

    Parameters
    ----------
    name
        What the stream is called in messages.
    connection
        The way to it.
    path
        The recording; it must not exist. There is none unless a picture comes.
    end_after_s
        Silence that is taken for the end.

    Attributes
    ----------
    path
        The recording.
    notes
        What the user should know of the stream; known once opened.
    """

    def __init__(self, name: str, connection: Connection, path: Path, end_after_s: float) -> None:
        super().__init__(
            path, lambda *_: False, end_after_s=end_after_s, wait=self._wait_for_picture
        )
        self.notes: tuple[str, ...] = ()
        self._name = name
        self._connection = connection
        self._thread = Thread(target=self._receive, name="stream", daemon=True)
        self._lock = Lock()
        self._has_grown = Event()
        self._recording: Recording | None = None
        self._times = RecordingClock(has_times=True)
        self._stretches: Stretches | None = None
        self._num_recorded = 0
        self._reason: EndedBy | None = None
        self._failure: str | None = None
        self._is_complete = False

    def open(self) -> None:
        """Wait for the first picture, and open the recording.

        Raises
        ------
        MovieError
            If there is none, or the stream cannot be recorded.
        """
        self._thread.start()
        if not self.wait_for(1):
            self.raise_interrupt()
            raise self.nothing_came()
        super().open()

    def close(self) -> None:
        """Let go of the stream, and close the file."""
        self.stop()
        if self._connection.is_received_here and self._thread.is_alive():
            self._thread.join(_LONGEST_FAREWELL_S)
        super().close()

    def stop(self) -> None:
        """Take in nothing that comes from now on. From any thread."""
        self._end_stream("stopped")

    def watch(self) -> None:
        """Look whether the stream has ended."""
        if self.ended_by is not None:
            return
        if self._is_complete:
            self._finish(self._reason or "closed")
        elif self._reason is None and self._connection.is_silent():
            self._end_stream("silent")

    def _wait_for_picture(self, _: float) -> None:
        self._has_grown.wait(_LOOK_EVERY_S)
        self._has_grown.clear()

    def _end_stream(self, reason: EndedBy, failure: str | None = None) -> None:
        """Let nothing more come; the first reason counts."""
        with self._lock:
            if self._reason is None:
                self._reason, self._failure = reason, failure
                self._tell_damage()
        self._connection.stop()
        if not self._connection.is_received_here:
            self._complete()

    def _complete(self) -> None:
        """Close the recording, once."""
        with self._lock:
            if not self._is_complete and self._recording is not None:
                try:
                    self._recording.close()
                except OSError as error:
                    self._interrupt = error
            self._is_complete = True
        self._has_grown.set()

    def _tell_damage(self) -> None:
        steps = None if self._stretches is None else self._stretches.damage
        self.damage = joined(steps, self._failure)

    def _receive(self) -> None:
        """Take in the stream up to its end."""
        try:
            with closing(self._connection), self._connection.open() as container:
                self._connection.note_packet()
                self._record(container)
            self._end_with(None)
        except (av.error.FFmpegError, OSError) as error:
            self._end_with(error)
        except Exception as error:  # raised by the thread that reads
            self._end_with(None)
            if self._reason == "closed" or not isinstance(error, MovieError):
                self._interrupt = error
        finally:
            self._complete()

    def _end_with(self, error: av.error.FFmpegError | OSError | None) -> None:
        """Tell why a stream has ended, if that is not known yet, by what FFmpeg says of it."""
        broken, has_begun = self._connection.error, self._recording is not None
        reason = "" if error is None else f"({error.strerror or type(error).__name__})"
        if self._connection.is_silent() or isinstance(error, (TimeoutError, av.error.ExitError)):
            self._end_stream("silent")
        elif broken is not None:
            self._end_stream("damaged", f"broke off ({broken.strerror or broken})")
        elif error is None or (has_begun and self._connection.is_over):
            self._end_stream("closed")  # FFmpeg complains of a picture of which a part is missing
        elif has_begun:
            self._end_stream("damaged", f"cannot be read any further {reason}")
        elif isinstance(error, OSError):
            self._end_stream("damaged", f"cannot be opened ({error.strerror or error})")
        else:
            self._end_stream("damaged", f"is no movie that can be read as it comes {reason}")

    def _record(self, container: InputContainer) -> None:
        """Record the pictures of a stream that FFmpeg has opened."""
        stream = self._checked(container)
        has_times = container.format.name not in WITHOUT_TIMES
        with movie_errors(self.path):
            period_s = frame_period_s(self.path, stream)
        self._times = RecordingClock(has_times=has_times)
        if has_times and stream.time_base:
            self._stretches = Stretches(float(period_s / stream.time_base))
        packets = self._packets(container, stream)
        if container.format.name == "avi" and stream.codec_context.reorder_depth:
            packets = _with_shown_times(packets, stream, period_in_stream(stream, period_s))
        for arrived in packets:
            if self._recording is None and not self._begin(stream, 1 / period_s):
                return
            try:
                self._add(arrived)
            except OSError as error:
                reason = error.strerror or error
                self._end_stream("damaged", f"cannot be recorded any further ({reason})")
                return
        if self._recording is None:
            is_mp4 = container.format.name.startswith("mov")
            raise MovieError(self._name, _INDEX_AT_END if is_mp4 else "holds no picture")

    def _checked(self, container: InputContainer) -> VideoStream:
        """Give the pictures of a stream, if they can be recorded."""
        stream = first_video(container)
        if stream is None:
            raise MovieError(self._name, no_video(container))
        if not stream.width or not stream.height or stream.codec_context is None:
            raise MovieError(self._name, "does not tell what its pictures are")
        if container.format.name in WITHOUT_TIMES and stream.codec_context.reorder_depth:
            raise MovieError(self._name, _IN_ANOTHER_ORDER)
        note = other_videos(stream)
        self.notes = () if note is None else (note,)
        return stream

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[ArrivedPacket]:
        """Yield each picture as soon as its last byte is there, as far as FFmpeg can tell."""
        for packet in container.demux(stream):
            self._connection.note_packet()
            if packet.size:
                yield ArrivedPacket(packet, now_s())

    def _begin(self, stream: VideoStream, rate: Fraction) -> bool:
        """Begin the recording, unless the stream was ended before."""
        with self._lock, movie_errors(self.path):
            if not self._is_complete:
                self._recording = Recording(self.path, stream, rate)
        return not self._is_complete

    def _add(self, arrived: ArrivedPacket) -> None:
        """Write a picture down, and wake the thread that waits for it."""
        packet = arrived.packet
        with self._lock:
            if self._recording is None or self._is_complete:
                return
            if self._stretches is not None:
                packet = self._stretches.place(packet)
                if self._stretches.begins:
                    self._stretches.note(self._num_recorded)
                    self._tell_damage()
            self._num_recorded += 1
            self._recording.add(packet, self._times.shown_ms(packet, arrived.arrival_time_s))
            self._arrivals.note(self._recording.size, arrived.arrival_time_s)
        self._has_grown.set()


def _with_shown_times(
    packets: Iterator[ArrivedPacket], stream: VideoStream, frame_period: int
) -> Iterator[ArrivedPacket]:
    """Give each packet of an .avi the time at which its picture is shown, which it does not tell.

    Packets stay in the order of decoding. Each waits until a decoder, which is of no other use,
    has given its picture; one without a picture keeps its own time.
    """
    decoder = PacketDecoder(stream, frame_period)
    waiting: deque[ArrivedPacket] = deque()
    shown: dict[int, int | None] = {}
    first, latest = 1, 0

    def known(rows: Iterator[Row], most_waiting: int) -> Iterator[ArrivedPacket]:
        nonlocal first, latest
        shown.update((picture.pts or 0, time) for picture, time in rows if picture is not None)
        while waiting and (first in shown or len(waiting) > most_waiting):
            arrived = waiting.popleft()
            packet = arrived.packet
            packet.pts = shown.pop(first, packet.pts)
            # FFmpeg takes one of MPEG-4 that is not coded for a key picture.
            packet.is_keyframe = packet.is_keyframe and (packet.pts or 0) >= latest
            latest = max(latest, packet.pts or 0)
            first += 1
            yield arrived

    for arrived in packets:
        packet = arrived.packet
        packet.pts, packet.dts = packet.dts, None
        waiting.append(arrived)
        copy = packet_of(bytes(packet), packet.pts)
        copy.is_keyframe = packet.is_keyframe
        yield from known(decoder.put(copy), _MOST_WAITING)
    yield from known(decoder.rest(), 0)
