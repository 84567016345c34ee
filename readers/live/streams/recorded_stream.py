"""A stream that is recorded as it comes: the recording is a file that grows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Lock, Thread

import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from readers.errors import MovieError, joined, movie_errors
from readers.ffmpeg import first_video, no_video, other_videos
from readers.frame_times import WITHOUT_TIMES, Stretches, frame_period_s, period_in_stream
from readers.growing.growing_file import ArrivedPacket, EndedBy, GrowingFile, now_s
from readers.live.streams.connections import Connection
from readers.live.streams.recording import Recording, RecordingClock, with_shown_times

_LOOK_EVERY_S = 0.1
_LONGEST_FAREWELL_S = 1.0
"""A thread that is called off but does not come back is left behind."""
_INDEX_AT_END = (
    "is a plain .mp4 whose pictures come before their index, which a stream cannot go back to; "
    "send a fragmented one, MPEG-TS or Matroska"
)
_IN_ANOTHER_ORDER = (
    "its pictures come in another order than they are shown in, and without times; "
    "send them as MPEG-TS or Matroska, or without B-frames"
)


class RecordedStream(GrowingFile):
    """The recording of a stream, which a thread of its own writes; see `GrowingFile`.

    That thread takes in what comes; what was not read yet waits in the file. It tells of
    each picture, so that the file itself need not be looked at. However the stream ends, the file
    is closed. It must not exist; there is none unless a picture comes. Messages have the `name`.
    """

    is_recorded_here = True

    def __init__(self, name: str, connection: Connection, path: Path) -> None:
        super().__init__(
            path,
            lambda *_: False,
            end_after_s=connection.end_after_s,
            wait=lambda _: self._has_grown.wait(_LOOK_EVERY_S),
        )
        self._name = name
        self._connection = connection
        self._thread = Thread(target=self._receive, name="stream", daemon=True)
        self._lock = Lock()
        self._has_grown = Event()
        self._recording: Recording | None = None
        self._stretches = Stretches(math.inf)  # none where times are made up
        self._num_recorded = 0
        self._reason: EndedBy | None = None
        self._failure: str | None = None
        self._is_complete = False

    def open(self) -> None:
        """Wait for the first picture, and open the recording.

        Raises `MovieError` if there is none, or the stream cannot be recorded.
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
        self._has_grown.clear()
        if self.ended_by is not None:
            return
        if self._is_complete:
            self._finish(self._reason or "closed")
        elif self._reason is None and self._connection.is_silent():
            self._end_stream("silent")

    def _end_stream(self, reason: EndedBy, failure: str | None = None) -> None:
        """Let nothing more come; the first reason counts."""
        with self._lock:
            if self._reason is None:
                self._reason, self._failure = reason, failure
                self.damage = joined(self._stretches.damage, failure)
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
        times = RecordingClock(has_times=has_times)
        if has_times and stream.time_base:
            self._stretches = Stretches(float(period_s / stream.time_base))
        # Each picture comes as soon as its last byte is there, as far as FFmpeg can tell.
        packets = (packet for packet in container.demux(stream) if packet.size)
        sent: Iterator[ArrivedPacket] = (ArrivedPacket(packet, now_s()) for packet in packets)
        if container.format.name == "avi" and stream.codec_context.reorder_depth:
            sent = with_shown_times(sent, stream, period_in_stream(stream, period_s))
        for arrived in sent:
            self._connection.note_packet()
            with self._lock:
                if self._is_complete:
                    return
                if self._recording is None:
                    with movie_errors(self.path):
                        self._recording = Recording(self.path, stream, 1 / period_s)
                failure = self._add(self._recording, arrived, times)
            if failure is not None:
                self._end_stream("damaged", failure)
                return
            self._has_grown.set()
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

    def _add(
        self, recording: Recording, arrived: ArrivedPacket, times: RecordingClock
    ) -> str | None:
        """Write a picture down; say why it cannot be."""
        packet = self._stretches.place(arrived.packet)
        if self._stretches.begins:
            self._stretches.note(self._num_recorded)
            self.damage = joined(self._stretches.damage, self._failure)
        self._num_recorded += 1
        try:
            recording.add(packet, times.shown_ms(packet, arrived.arrival_time_s))
        except OSError as error:
            return f"cannot be recorded any further ({error.strerror or error})"
        self._arrivals.note(recording.size, arrived.arrival_time_s)
        return None
