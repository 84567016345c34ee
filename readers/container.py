"""Movies of any camera, .mp4, .avi, .mkv and .ts, through FFmpeg."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from readers.avi_index import chunks_per_frame
from readers.base import Converter, DecodedFrame, MovieReader
from readers.container_frames import ContainerFrames
from readers.demuxer import MOST_PIXELS, Demuxer, WatchedFile, demuxer, open_regular_file
from readers.errors import MovieError, movie_errors
from readers.file_end import container_format, cut_off, lacks_index
from readers.frame_clock import FrameClock
from readers.frame_period import check_frame_period
from readers.frames import MovieInfo
from readers.orientation import orientation_of
from readers.pictures import RgbConverter

NUM_TRIED_PACKETS = 8


def inspect_container(path: Path) -> MovieInfo:
    """Tell what a movie of any camera is, from its header and its first picture.

    The header alone does not know whether a picture can be decoded.

    Raises
    ------
    MovieError
        If the file is not a movie, or not one frame of it can be decoded.
    """
    with movie_errors(path), _opened(path) as source:
        stream = source.stream
        period_s = frame_period_s(path, stream)
        frames = ContainerFrames(source, period_in_stream(stream, period_s))
        picture = next((picture for picture, _, _ in frames if picture is not None), None)
        if picture is None:
            raise MovieError(path, "holds no frame that can be decoded")
        orientation = orientation_of(picture)
        width, height = orientation.size(picture.width, picture.height)
        return MovieInfo(
            path=path,
            format=path.suffix.lower().lstrip("."),
            width=width,
            height=height,
            frame_period_s=period_s,
            num_frames_from_header=max(0, stream.frames) or None,
            damage=cut_off(path),
            orientation=orientation,
        )


class ContainerReader(MovieReader):
    """Reads a movie of any camera; times are the container's, from the first frame on.

    Frames that an .avi counts without having a picture of them are rows of their own, dropped.
    """

    def _make_converter(self) -> Converter:
        return RgbConverter(self.info, self.crop)

    def _decode(self) -> Generator[DecodedFrame, None, None]:
        clock = FrameClock(self.info.frame_period_s)
        # A picture of another size is none of this movie's: make no room for a huge one.
        most_pixels = 4 * self.info.width * self.info.height + 2**20
        with _opened(self.info.path, most_pixels) as source:
            time_base = source.stream.time_base or Fraction(0)
            frames = ContainerFrames(
                source,
                period_in_stream(source.stream, self.info.frame_period_s),
                is_cut_off=self.info.damage is not None,
            )
            for picture, time, status in frames:
                seconds = None if time is None else time * time_base
                self._damage = frames.damage
                yield DecodedFrame(picture, clock.time_s(seconds), status=status)
            self._damage = frames.damage


def frame_period_s(path: Path, stream: VideoStream) -> Fraction:
    """Give the nominal time from frame to frame; raise `MovieError` where there is none."""
    rate = stream.average_rate or stream.guessed_rate
    if not rate or rate < 0:
        raise MovieError(path, "tells no frame rate")
    num_chunks, _ = chunks_per_frame(stream) if stream.container.format.name == "avi" else (1, True)
    period_s = num_chunks / Fraction(rate)
    check_frame_period(path, period_s)
    return period_s


def period_in_stream(stream: VideoStream, period_s: Fraction) -> int:
    """Give a frame period in units of a stream's times, at least one."""
    return max(1, round(period_s / (stream.time_base or period_s)))


@contextmanager
def _opened(path: Path, most_pixels: int = MOST_PIXELS) -> Iterator[Demuxer[WatchedFile]]:
    with open_regular_file(path) as file:
        name = container_format(file)
    try:
        with demuxer(path, name, most_pixels=most_pixels) as source:
            context = source.stream.codec_context
            if context.name == "mjpeg" and _is_strict_jpeg(path, name):
                context.options = {**context.options, "err_detect": "explode"}
            yield source
    except (av.error.FFmpegError, MovieError) as error:
        if lacks_index(path):
            raise MovieError(
                path, "its index (moov) is missing: the recording was cut off before its end"
            ) from error
        raise


def _is_strict_jpeg(path: Path, container_format: str) -> bool:
    """Tell whether one of a movie's first pictures stands up to a strict decoder.

    That one finds damaged pictures which FFmpeg would pass with a part of them wrong. There may be
    cameras whose every picture it finds fault with: theirs are decoded as they are.
    """
    with demuxer(path, container_format) as source:
        return stands_strict_decoding(source.stream.codec_context, source.packets())


def stands_strict_decoding(
    context: VideoCodecContext, packets: Iterable[av.Packet[VideoStream]]
) -> bool:
    """Tell whether a decoder that is made strict, not used before, finds no fault with a packet.

    One of the first eight is enough. The decoder is not to be used for anything else.
    """
    context.options = {**context.options, "err_detect": "explode"}
    for packet in islice(packets, NUM_TRIED_PACKETS):
        try:
            if packet.size and context.decode(packet):
                return True
        except av.error.FFmpegError:
            continue
    return False
