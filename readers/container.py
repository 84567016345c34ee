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
    with movie_errors(path), av.open(str(path)) as container:
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
        return RgbConverter()

    def _decode(self) -> Generator[DecodedFrame, None, None]:
        clock = _Clock(self.info.frame_period_s)
        with av.open(str(self.info.path)) as container:
            stream = _video_stream(self.info.path, container)
            stream.thread_type = "AUTO"
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
    if not container.streams.video:
        raise MovieError(path, "holds no video")
    return container.streams.video[0]


def _pictures(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[av.VideoFrame | None, Fraction | None]]:
    """Yield every frame with its presentation time in seconds; None for what is not there.

    A packet that cannot be decoded is a frame without a picture. Its place among the others is
    known from the presentation times of the packets that went in, since decoders put frames into
    the order of presentation and, on several threads, report an error some packets late.
    """
    waiting: list[int] = []  # presentation times of packets whose frame has not come out yet
    errors = 0
    time_base = stream.time_base or Fraction(0)

    for packet in container.demux(stream):
        if packet.pts is not None and packet.size and not packet.is_discard:
            heapq.heappush(waiting, packet.pts)
        try:
            pictures = packet.decode()
        except av.error.InvalidDataError:
            errors += 1
            continue
        for picture in pictures:
            while waiting and picture.pts is not None and waiting[0] <= picture.pts:
                lost = heapq.heappop(waiting)
                if lost < picture.pts and errors:
                    errors -= 1
                    yield None, lost * time_base
            yield picture, None if picture.pts is None else picture.pts * time_base
    for _ in range(errors):
        yield None, heapq.heappop(waiting) * time_base if waiting else None
