"""Movies of Inscopix nVision cameras: .isxb, read in place."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av
import av.error
from av.video.stream import VideoStream

from readers.base import Converter, DecodedFrame, MovieReader
from readers.errors import MovieError, movie_errors
from readers.frames import FrameStatus, MovieInfo
from readers.isxb_metadata import (
    FrameSample,
    IsxbHeader,
    dropped_frame_indices,
    frame_samples,
    frame_size,
    read_header,
    read_session,
    session_period_s,
)
from readers.pictures import GreyConverter
from readers.section import FileSection

_READ_AHEAD_BYTES = 2**20
_MOST_COUNTED_BYTES = 2**30
"""Pictures of larger recordings are not counted beforehand: that alone would take minutes."""


def inspect_isxb(path: Path) -> MovieInfo:
    """Tell what an .isxb movie is, and check that its parts agree with each other.

    The frame metadata is read once from end to end, as a stream, to count its samples and,
    where ``timingInfo`` is missing, to find the period as Inscopix's reader does: the mean step
    of the hardware counter.

    Raises
    ------
    MovieError
        If the file is not finished, or its header, metadata and pictures contradict each other.
    """
    with movie_errors(path), path.open("rb") as file:
        header = read_header(path, file)
        session = read_session(path, file, header)
        width, height = frame_size(path, session)
        _check_picture_size(path, header, width, height)
        period_s = session_period_s(path, session)
        first, last = _first_and_last_sample(path, header)
        _check_dropped(path, header)
        if header.video_size <= _MOST_COUNTED_BYTES:
            _check_picture_count(path, header)
    period_s = period_s or _mean_step_s(first, last)
    if not period_s or period_s < 0:
        raise MovieError(path, "its metadata tells no frame period")
    return MovieInfo(
        path=path,
        format="isxb",
        width=width,
        height=height,
        frame_period_s=period_s,
        num_frames_from_header=header.num_recorded_frames + header.num_dropped_frames,
        num_dropped_from_header=header.num_dropped_frames,
        start_time_ms=header.start_time_ms,
        hardware_counters_us=(first.hardware_counter_us, last.hardware_counter_us),
    )


def _check_picture_size(path: Path, header: IsxbHeader, width: int, height: int) -> None:
    picture = next((picture for picture in _pictures(path, header) if picture is not None), None)
    if picture is None:
        raise MovieError(path, "holds no frame that can be decoded")
    if (picture.width, picture.height) != (width, height):
        raise MovieError(
            path,
            f"its metadata says {width} x {height} pixels, "
            f"its first picture has {picture.width} x {picture.height}",
        )


def _check_picture_count(path: Path, header: IsxbHeader) -> None:
    """Check, without decoding, that there is one picture per recorded frame."""
    with _video(path, header) as packets:
        count = sum(1 for _ in packets)
    if count != header.num_recorded_frames:
        raise MovieError(
            path, f"its metadata counts {header.num_recorded_frames} frames, its pictures {count}"
        )


def _first_and_last_sample(path: Path, header: IsxbHeader) -> tuple[FrameSample, FrameSample]:
    """Check that there is one sample per recorded frame; return the first and the last."""
    first: FrameSample | None = None
    last: FrameSample | None = None
    count = 0
    for last in frame_samples(path, header):
        first = first or last
        count += 1
    if count != header.num_recorded_frames or first is None or last is None:
        raise MovieError(
            path, f"its header counts {header.num_recorded_frames} frames, its metadata {count}"
        )
    return first, last


def _mean_step_s(first: FrameSample, last: FrameSample) -> Fraction | None:
    """Mean step of the hardware counter from one frame to the next, in seconds."""
    num_steps = last.frame_count - first.frame_count
    if num_steps == 0:
        return None
    return Fraction(last.hardware_counter_us - first.hardware_counter_us, num_steps) / 1_000_000


def _check_dropped(path: Path, header: IsxbHeader) -> None:
    num_frames = header.num_recorded_frames + header.num_dropped_frames
    count = 0
    for index in dropped_frame_indices(path, header):
        count += 1
        if index >= num_frames:
            raise MovieError(path, f"its metadata drops frame {index} of {num_frames}")
    if count != header.num_dropped_frames:
        raise MovieError(
            path,
            f"its header counts {header.num_dropped_frames} dropped frames, its metadata {count}",
        )


class IsxbReader(MovieReader):
    """Reads an .isxb movie: pictures from the file itself, times from the hardware counter.

    A frame's time is (its counter - the movie's first counter) / 1e6. A dropped frame has no
    counter and no picture; its time follows from the last frame before it and the period, so
    that frames dropped before the first recorded one have negative times.
    """

    def _make_converter(self) -> Converter:
        return GreyConverter(self.crop)

    def _decode(self) -> Generator[DecodedFrame, None, None]:
        path = self.info.path
        with path.open("rb") as file:
            header = read_header(path, file)
        dropped = dropped_frame_indices(path, header)
        recorded = self._recorded_frames(header)
        period_s = float(self.info.frame_period_s)
        next_dropped = next(dropped, None)
        index = 0
        while next_dropped == index:  # their times are known only from the first recorded frame
            index += 1
            next_dropped = next(dropped, None)
        for num_before_first in range(index, 0, -1):
            yield _dropped(-num_before_first * period_s)
        for frame in recorded:
            yield frame
            index += 1
            time_s = frame.time_s
            while next_dropped == index:
                time_s += period_s
                yield _dropped(time_s)
                index += 1
                next_dropped = next(dropped, None)

    def _recorded_frames(self, header: IsxbHeader) -> Iterator[DecodedFrame]:
        """Pair every recorded picture with its sample.

        A picture without a sample, or a sample without a picture, ends in an error: nobody could
        tell which of the pairs before belong together.
        """
        path = self.info.path
        first_us: int | None = None
        pairs = zip_longest(
            _pictures(path, header), frame_samples(path, header), fillvalue=_MISSING
        )
        for picture, sample in pairs:
            if isinstance(picture, _Missing) or isinstance(sample, _Missing):
                raise MovieError(path, "has another number of pictures than its metadata says")
            first_us = sample.hardware_counter_us if first_us is None else first_us
            yield DecodedFrame(
                picture,
                (sample.hardware_counter_us - first_us) / 1e6,
                float(sample.hardware_counter_us),
                FrameStatus.UNDECODABLE if picture is None else FrameStatus.DECODED,
            )


class _Missing:
    """Stands for what one of two sequences lacks; None is a picture that cannot be decoded."""


_MISSING = _Missing()


def _dropped(time_s: float) -> DecodedFrame:
    return DecodedFrame(None, time_s, math.nan, FrameStatus.DROPPED)


def _pictures(path: Path, header: IsxbHeader) -> Generator[av.VideoFrame | None, None, None]:
    """Yield the pictures in the video section, None for one that cannot be decoded."""
    with _video(path, header) as packets:
        for packet in packets:
            yield _decoded(packet)


@contextmanager
def _video(path: Path, header: IsxbHeader) -> Iterator[Iterator[av.Packet[VideoStream]]]:
    """Open the video section; give its packets, of one picture each."""
    with path.open("rb") as file:
        # A section of its own: the JSON behind the video must not be taken for pictures.
        section = FileSection(file, header.video_offset, header.video_size)
        with av.open(section, "r", format="mjpeg", buffer_size=_READ_AHEAD_BYTES) as container:
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"  # one packet in, one picture out: errors stay in place
            yield (packet for packet in container.demux(stream) if packet.size)


def _decoded(packet: av.Packet[VideoStream]) -> av.VideoFrame | None:
    try:
        return next(iter(packet.decode()), None)
    except av.error.InvalidDataError:
        return None
