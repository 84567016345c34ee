"""The reader of movies of any camera: .mp4, .avi, .mkv, .ts and what else FFmpeg reads."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from readers.base import DecodedFrame, MovieReader, PictureSizes
from readers.container.avi_index import chunks_per_frame, time_keeping
from readers.container.frames import ContainerFrames
from readers.container.mp4_tables import check_tables
from readers.container.parts import cut_off, lacks_index
from readers.errors import MovieError, joined, movie_errors
from readers.ffmpeg import (
    MOST_PIXELS,
    Demuxer,
    demuxer,
    open_regular_file,
    other_videos,
)
from readers.file_kind import NO_MOVIE, container_format, format_name, is_one_jpeg, read_head
from readers.frame_times import frame_period_s
from readers.frames import MovieInfo
from readers.orientation import orientation_of

_NUM_TRIED_PACKETS = 8


def inspect_container(path: Path) -> MovieInfo:
    """Tell what a movie of any camera is, from its header and its first picture.

    Raises `MovieError` if the file is not a movie, claims more than it can hold, or not one frame
    of it can be decoded: the header alone does not tell that.
    """
    with movie_errors(path):
        check_tables(path)
        with open_regular_file(path) as file:
            head = read_head(file)
        with _opened(path) as source:
            container, stream = source.container, source.stream
            first_step_s = None if stream.average_rate else _first_step_s(path)
            period_s = frame_period_s(path, stream, first_step_s)
            frames = ContainerFrames(source, period_s)
            pictures = (frame.picture for frame in frames)
            picture = next((picture for picture in pictures if picture is not None), None)
            if picture is None:
                raise MovieError(path, "holds no frame that can be decoded")
            orientation = orientation_of(picture)
            width, height = orientation.size(picture.width, picture.height)
            num_claimed = None if frames.has_second_fields else _num_claimed(source)
            damage = cut_off(path)
            return MovieInfo(
                path=path,
                format=format_name(container.format.name, head),
                width=width,
                height=height,
                frame_period_s=period_s,
                num_frames_from_header=num_claimed,
                num_dropped_from_header=None if damage else _num_dropped(stream, num_claimed),
                duration_s=Fraction(container.duration or 0, av.time_base) or None,
                damage=damage,
                notes=tuple(filter(None, (other_videos(stream), time_keeping(stream)))),
                orientation=orientation,
            )


class ContainerReader(MovieReader):
    """Reads a movie of any camera; times are the container's, from the first frame on.

    Frames that an .avi counts without having a picture of them are rows of their own, dropped.
    """

    def _decode(self) -> Generator[DecodedFrame, None, None]:
        sizes = PictureSizes()
        # A picture of another size does not belong to the movie: make no room for a huge one.
        most_pixels = 4 * self.info.width * self.info.height + 2**20
        is_cut_off = self.info.damage is not None
        with _opened(self.info.path, most_pixels) as source:
            frames = ContainerFrames(source, self.info.frame_period_s, is_cut_off=is_cut_off)
            for frame in frames:
                sizes.look(frame.picture)
                self._damage = joined(frames.damage, sizes.change)
                yield frame
            self._damage = joined(frames.damage, sizes.change)


def _first_step_s(path: Path) -> Fraction | None:
    """Give the shortest time between the first frames, or that the only one is shown for."""
    with _opened(path) as source:
        packets = list(islice(source.packets(), _NUM_TRIED_PACKETS))
        time_base = source.stream.time_base or Fraction(0)
    times = sorted({packet.pts for packet in packets if packet.pts is not None})
    steps = [later - earlier for earlier, later in pairwise(times)]
    steps = steps or [packet.duration for packet in packets if packet.duration]
    return min(steps) * time_base if steps else None


def _num_claimed(source: Demuxer) -> int | None:
    """Tell how many frames the file claims; an edit list of a .mp4 may leave out some of them."""
    stream = source.stream
    if stream.frames > 0 and source.container.format.name.startswith("mov"):
        return sum(not entry.is_discard for entry in stream.index_entries)
    return max(0, stream.frames // chunks_per_frame(stream)[0]) or None


def _num_dropped(stream: VideoStream, num_claimed: int | None) -> int | None:
    """Tell how many frames the index of an .avi counts without having a picture of them."""
    num_indexed = len(stream.index_entries)
    is_avi = stream.container.format.name == "avi"
    if not is_avi or num_claimed is None or num_indexed < min(num_claimed, 2):
        return None
    return max(0, num_claimed - num_indexed)


@contextmanager
def _opened(path: Path, most_pixels: int = MOST_PIXELS) -> Iterator[Demuxer]:
    with open_regular_file(path) as file:
        name = container_format(read_head(file))
        if name == "mjpeg" and is_one_jpeg(file):
            raise MovieError(path, NO_MOVIE.format("a JPEG picture"))
    try:
        with demuxer(path, name, most_pixels=most_pixels) as source:
            context = source.stream.codec_context
            if context.name == "mjpeg":
                with demuxer(path, name) as tried:
                    is_strict = stands_strict_decoding(tried.stream.codec_context, tried.packets())
                if is_strict:
                    context.options = {**context.options, "err_detect": "explode"}
            yield source
    except (av.error.FFmpegError, MovieError) as error:
        if lacks_index(path):
            raise MovieError(
                path, "its index (moov) is missing: the recording was cut off before its end"
            ) from error
        raise


def stands_strict_decoding(
    context: VideoCodecContext, packets: Iterable[av.Packet[VideoStream]]
) -> bool:
    """Tell whether a decoder that is made strict, not used before, finds no fault with a packet.

    One of the first eight is enough. A strict decoder finds damaged pictures which FFmpeg would
    pass with a part of them wrong. There may be cameras whose every picture it finds fault with:
    theirs are decoded as they are. The decoder is not to be used for anything else.
    """
    context.options = {**context.options, "err_detect": "explode"}
    for packet in islice(packets, _NUM_TRIED_PACKETS):
        try:
            if packet.size and context.decode(packet):
                return True
        except av.error.FFmpegError:
            continue
    return False
