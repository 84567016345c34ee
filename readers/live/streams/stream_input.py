"""A stream that FFmpeg has opened: its packets, with the time at which each was there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Condition, Thread
from typing import IO, Protocol, cast

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from readers.errors import MovieError
from readers.ffmpeg import MOST_PIXELS, MOVIE_FORMATS
from readers.growing.clock import now_s
from readers.growing.feed import ArrivedPacket, EndedBy
from readers.live.streams.byte_stream import ByteStream

_Failure = av.error.FFmpegError | OSError
_FORMATS = f"{MOVIE_FORMATS},mpjpeg,jpeg_pipe"
"""In which video comes over a pipe or a network."""
_LONGEST_ANALYSIS_S = 60
_NUM_PACKETS_FOR_RATE = 3
"""Of a stream that does not tell its frame rate."""


class StreamInput(Protocol):
    """Packets of a stream, as they come.

    Attributes
    ----------
    ended_by, damage
        As of a `Feed`.
    """

    @property
    def ended_by(self) -> EndedBy | None:
        """Why nothing more comes; None while more may."""

    @property
    def damage(self) -> str | None:
        """What is wrong with the stream; None for nothing."""

    def open(self) -> InputContainer:
        """Wait until FFmpeg knows what comes; raise `MovieError` if it never does."""

    def packets(self, stream: VideoStream) -> Iterator[ArrivedPacket]:
        """Yield each packet as soon as it is there, until the stream ends, or `stop`."""

    def stop(self) -> None:
        """Let no more come. From any thread."""

    def close(self) -> None:
        """Let go of the stream."""


class BytesInput:
    """A stream whose bytes are received here; see `StreamInput`.

    Parameters
    ----------
    name
        What it is called in messages.
    source
        Gives the bytes.
    end_after_s
        Silence that is taken for the end.
    """

    def __init__(self, name: str, source: ByteStream, end_after_s: float) -> None:
        self._name, self._source, self._end_after_s = name, source, end_after_s
        self._resources = ExitStack()
        self._container: InputContainer | None = None
        self._damage: str | None = None

    def open(self) -> InputContainer:
        """Begin to receive, and wait until FFmpeg knows what comes."""
        self._resources.callback(self._source.close)
        try:
            self._source.open()
            container = av.open(
                cast(IO[bytes], self._source),  # PyAV needs no more of it
                "r",
                options=_options("none") | {"format_whitelist": _FORMATS},
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, OSError) as error:
            self._raise_interrupt()
            raise self._nothing_came(error) from error
        self._container = self._resources.enter_context(container)
        self._raise_interrupt()
        return container

    def packets(self, stream: VideoStream) -> Iterator[ArrivedPacket]:
        """Yield each packet as soon as its last byte is there, as far as FFmpeg can tell."""
        if self._container is None:
            raise ValueError("not opened")
        try:
            for packet in self._container.demux(stream):
                yield ArrivedPacket(packet, now_s())
                self._raise_interrupt()
        except av.error.FFmpegError as error:
            if self._source.ended_by is None:
                self._damage = _unreadable(error)
        self._raise_interrupt()

    def stop(self) -> None:
        """Receive nothing more."""
        self._source.stop()

    def close(self) -> None:
        """Stop receiving."""
        self._resources.close()

    @property
    def ended_by(self) -> EndedBy | None:
        """Why nothing more comes; None while more may."""
        return "damaged" if self._damage is not None else self._source.ended_by

    @property
    def damage(self) -> str | None:
        """What is wrong with the stream; None for nothing."""
        if self._damage is None and self._source.error is not None:
            return _broken(self._source.error)
        return self._damage

    def _raise_interrupt(self) -> None:
        interrupt, self._source.interrupt = self._source.interrupt, None
        if interrupt is not None:
            raise interrupt

    def _nothing_came(self, error: _Failure) -> MovieError:
        source = self._source
        if source.ended_by == "silent" or isinstance(error, TimeoutError):
            return MovieError(self._name, nothing_within(self._end_after_s))
        if source.ended_by == "stopped":
            return MovieError(self._name, STOPPED_BEFORE)
        if source.error is not None:
            return MovieError(self._name, _broken(source.error))
        if isinstance(error, av.error.FFmpegError):
            return MovieError(self._name, _NO_MOVIE.format(error.strerror))
        return MovieError(self._name, f"cannot be opened ({error.strerror or error})")


class FFmpegInput:
    """A stream that FFmpeg receives itself, in a thread of its own; see `StreamInput`.

    FFmpeg cannot be called off in the middle of a call. The thread is left behind then, and ends
    with that call.

    Parameters
    ----------
    name
        What it is called in messages.
    open_container
        Opens the stream.
    end_after_s
        Silence that is taken for the end.
    """

    def __init__(
        self, name: str, open_container: Callable[[], InputContainer], end_after_s: float
    ) -> None:
        self._name, self._open_container = name, open_container
        self._end_after_s = end_after_s
        self._changed = Condition()
        self._container: InputContainer | None = None
        self._packets: deque[ArrivedPacket] = deque()
        self._has_ended = False
        self._may_close = False
        self._error: _Failure | None = None
        self.ended_by: EndedBy | None = None
        self.damage: str | None = None

    def open(self) -> InputContainer:
        """Let FFmpeg begin, and wait until it knows what comes."""
        Thread(target=self._receive, name="stream", daemon=True).start()
        with self._changed:
            self._changed.wait_for(
                lambda: self._container or self._has_ended or self.ended_by, self._end_after_s
            )
            if self.ended_by == "stopped":
                raise MovieError(self._name, STOPPED_BEFORE)
            if self._container is not None:
                return self._container
            self.ended_by = "damaged"
            error = self._error
        if error is None or isinstance(error, (TimeoutError, av.error.ExitError)):
            raise MovieError(self._name, nothing_within(self._end_after_s))
        raise MovieError(self._name, f"cannot be opened ({error.strerror or error})") from error

    def packets(self, stream: VideoStream) -> Iterator[ArrivedPacket]:
        """Yield each packet as soon as FFmpeg gives it."""
        index = stream.index
        while (arrived := self._next()) is not None:
            if arrived.packet.stream_index == index:
                yield arrived

    def stop(self) -> None:
        """Take nothing more from FFmpeg."""
        self._end("stopped")

    def close(self) -> None:
        """Let go of the stream; the thread closes it, as soon as FFmpeg lets it."""
        with self._changed:
            self._may_close = True
        self._end("stopped")

    def _next(self) -> ArrivedPacket | None:
        with self._changed:
            is_there = self._changed.wait_for(
                lambda: self._packets or self._has_ended or self.ended_by, self._end_after_s
            )
            if self._packets:
                return self._packets.popleft()
            error = self._error
        if not is_there or isinstance(error, (TimeoutError, av.error.ExitError)):
            self._end("silent")
        elif error is not None:
            self._end("damaged", _unreadable(error))
        else:
            self._end("closed")
        return None

    def _end(self, ended_by: EndedBy, damage: str | None = None) -> None:
        with self._changed:
            if self.ended_by is None:
                self.ended_by, self.damage = ended_by, damage
            self._changed.notify_all()

    def _receive(self) -> None:
        try:
            with self._open_container() as container:
                self._take_in(container)
                with self._changed:  # its stream is looked at until then
                    self._changed.wait_for(lambda: self._may_close)
        except (av.error.FFmpegError, OSError) as error:
            self._end_of_all(error)

    def _take_in(self, container: InputContainer) -> None:
        with self._changed:
            self._container = container
            self._changed.notify_all()
        try:
            for packet in container.demux(video=0):
                with self._changed:
                    if self.ended_by is not None:
                        break
                    self._packets.append(ArrivedPacket(packet, now_s()))
                    self._changed.notify_all()
            self._end_of_all(None)
        except (av.error.FFmpegError, OSError) as error:
            self._end_of_all(error)

    def _end_of_all(self, error: _Failure | None) -> None:
        with self._changed:
            self._error, self._has_ended = error, True
            self._changed.notify_all()


STOPPED_BEFORE = "was stopped before its first picture came"
_NO_MOVIE = "is no movie that can be read as it comes ({})"


def nothing_within(seconds: float) -> str:
    """Say that a stream is silent."""
    return f"no picture came within {seconds:g} s"


def open_url(url: str, protocols: str, end_after_s: float) -> InputContainer:
    """Let FFmpeg open a URL, and nothing else than that; every wait of it ends."""
    options = _options(protocols)
    longest_wait_s = 2 * end_after_s  # ours ends first: FFmpeg tells its own in many ways
    if url.startswith("rtsp"):
        options["rtsp_flags"] = "prefer_tcp"  # which loses nothing
    return av.open(
        url,
        "r",
        options=options,
        metadata_errors="replace",
        timeout=(longest_wait_s, longest_wait_s),
    )


def open_device(path: str) -> InputContainer:
    """Let FFmpeg open a capture device: for JPEGs if it has any, else for what it has."""
    try:
        return av.open(path, "r", format="v4l2", options={"input_format": "mjpeg"})
    except av.error.FFmpegError:
        return av.open(path, "r", format="v4l2")


def _options(protocols: str) -> dict[str, str]:
    return {
        "protocol_whitelist": protocols,
        "max_pixels": str(MOST_PIXELS),
        "analyzeduration": str(_LONGEST_ANALYSIS_S * 1_000_000),
        "fpsprobesize": str(_NUM_PACKETS_FOR_RATE),
    }


def _broken(error: _Failure) -> str:
    return f"broke off ({error.strerror or error})"


def _unreadable(error: _Failure) -> str:
    return f"cannot be read any further ({error.strerror or type(error).__name__})"
