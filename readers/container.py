"""Movies of any camera: .mp4 and .avi, through FFmpeg."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from readers.base import Converter, DecodedFrame, MovieReader
from readers.errors import MovieError, movie_errors
from readers.frames import FrameStatus, MovieInfo
from readers.pictures import RgbConverter


def inspect_container(path: Path) -> MovieInfo:
    """Tell what a .mp4 or .avi movie is, from its header and its first picture.

    The header alone does not know whether a picture can be decoded.

    Raises
    ------
    MovieError
        If the file is not a movie, or not one frame of it can be decoded.
    """
    with movie_errors(path), av.open(str(path.absolute())) as container:
        stream = _video_stream(path, container)
        picture = next(
            (picture for picture, _ in _pictures(container, stream) if picture is not None), None
        )
        if picture is None:
            raise MovieError(path, "holds no frame that can be decoded")
        rate = stream.average_rate or stream.guessed_rate
        if not rate or rate < 0:
            raise MovieError(path, "tells no frame rate")
        return MovieInfo(
            path=path,
            format=path.suffix.lower().lstrip("."),
            width=picture.width,
            height=picture.height,
            frame_period_s=1 / Fraction(rate),
            num_frames_from_header=stream.frames or None,
        )


class ContainerReader(MovieReader):
    """Reads a .mp4 or .avi movie; times are the container's, from the first frame on."""

    def _make_converter(self) -> Converter:
        return RgbConverter(self.crop)

    def _decode(self) -> Generator[DecodedFrame, None, None]:
        clock = _Clock(self.info.frame_period_s)
        with av.open(str(self.info.path.absolute())) as container:
            stream = _video_stream(self.info.path, container)
            # Not one frame a thread: FFmpeg then loses good frames behind a damaged last packet.
            stream.thread_type = "SLICE"
            for picture, presentation_time_s in _pictures(container, stream):
                status = FrameStatus.UNDECODABLE if picture is None else FrameStatus.DECODED
                yield DecodedFrame(picture, clock.time_s(presentation_time_s), status=status)


class _Clock:
    """Seconds since the first frame, from presentation times."""

    def __init__(self, period_s: Fraction) -> None:
        self._period_s = period_s
        self._first_s: Fraction | None = None
        self._elapsed_s = -period_s

    def time_s(self, presentation_time_s: Fraction | None) -> float:
        """Give the time of the next frame; one without a time follows a period after the last."""
        if presentation_time_s is None:
            self._elapsed_s += self._period_s
        else:
            if self._first_s is None:
                self._first_s = presentation_time_s
            self._elapsed_s = presentation_time_s - self._first_s
        periods = self._elapsed_s / self._period_s
        if periods.denominator == 1:  # index × period in floating point, as the reference tool
            return periods.numerator * float(self._period_s)
        return float(self._elapsed_s)


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")  # not the first: that may be a cover picture
    if not isinstance(stream, VideoStream):
        raise MovieError(path, "holds no video")
    return stream


def _pictures(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[av.VideoFrame | None, Fraction | None]]:
    """Yield every frame with its presentation time in seconds; None for what is not there."""
    # An .avi counts packets in the order of decoding; where that is another than the order of
    # presentation, what FFmpeg gives as a frame's time is that of another frame.
    due = _DueTimes(are_frames_own=container.format.name != "avi" or not stream.has_b_frames)
    time_base = stream.time_base or Fraction(0)

    def seconds(time: int | None) -> Fraction | None:
        return None if time is None else time * time_base

    for packet in container.demux(stream):
        if packet.pts is not None and packet.size and not packet.is_discard:
            due.add(packet.pts)
        try:
            pictures = packet.decode()
        except av.error.InvalidDataError:
            due.num_errors += 1
            continue
        for picture in pictures:
            *lost, time = due.take(picture.pts)
            for lost_time in lost:
                yield None, seconds(lost_time)
            yield picture, seconds(time)
    for _ in range(due.num_errors):
        yield None, seconds(due.take_next())


class _DueTimes:
    """Presentation times of the packets that went into a decoder and have not come out as frames.

    A packet that cannot be decoded is a frame without a picture. Its place among the others is
    known from these times, since decoders put frames into the order of presentation and, on
    several threads, report an error some packets late.

    Attributes
    ----------
    num_errors
        Packets that could not be decoded and whose place is not known yet.
    """

    def __init__(self, *, are_frames_own: bool) -> None:
        self._are_frames_own = are_frames_own
        self._times: list[int] = []
        self.num_errors = 0

    def add(self, time: int) -> None:
        """Add the time of a packet."""
        heapq.heappush(self._times, time)

    def take_next(self) -> int | None:
        """Take the earliest time, None where there is none."""
        return heapq.heappop(self._times) if self._times else None

    def take(self, frame_time: int | None) -> list[int | None]:
        """Take the times of the lost frames before a frame that came out, then its own."""
        taken: list[int | None] = []
        if not self._are_frames_own or frame_time is None:
            while self.num_errors:
                self.num_errors -= 1
                taken.append(self.take_next())
            return [*taken, self.take_next()]
        while self._times and self._times[0] <= frame_time:
            time = heapq.heappop(self._times)
            if time < frame_time and self.num_errors:
                self.num_errors -= 1
                taken.append(time)
        return [*taken, frame_time]
