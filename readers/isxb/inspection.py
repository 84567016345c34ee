"""What an .isxb movie is, and whether its parts agree with each other."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

from readers.errors import MovieError, movie_errors
from readers.ffmpeg import MOST_PIXELS, open_regular_file
from readers.frame_times import UNKNOWN_S, check_frame_period
from readers.frames import MovieInfo
from readers.isxb.layout import IsxbLayout, read_layout
from readers.isxb.lost_pictures import find_lost_pictures
from readers.isxb.metadata import (
    FrameSample,
    dropped_frame_indices,
    frame_samples,
    frame_size,
    read_session,
    session_period_s,
)
from readers.isxb.pictures import decode_picture, open_pictures

_MOST_COUNTED_BYTES = 2**30
"""Pictures of larger recordings are not counted beforehand: that alone would take minutes."""


def inspect_isxb(path: Path) -> MovieInfo:
    """Tell what an .isxb movie is, and check that its parts agree with each other.

    The frame metadata is read once from end to end, as a stream, to count its samples and,
    where ``timingInfo`` is missing, to find the period as Inscopix's reader does: the mean step
    of the hardware counter. A recording that was cut off is read as far as it goes: without
    samples its times and counters are unknown, and its period is taken for 1/25 s. A whole one of
    up to 1 GiB of pictures has them counted; where some are missing, `find_lost_pictures` has to
    know which.

    Raises
    ------
    MovieError
        If the header, metadata and pictures contradict each other, or no picture can be decoded.
    """
    with movie_errors(path), open_regular_file(path) as file:
        layout = read_layout(path, file)
        header = layout.header
        width, height, period_s = _session(path, file, layout)
        samples = _SampleSpan.of(path, layout)
        num_dropped = _num_dropped(path, layout)
        damage = layout.damage(samples.count, num_dropped)
        if layout.is_whole:
            _check_counts(path, layout, samples, num_dropped)
            damage = _picture_damage(path, layout, width, height)
        period_s = samples.mean_step_s() if period_s is None else period_s
        if period_s is None and not layout.is_whole:
            period_s = UNKNOWN_S
    if period_s is None:
        raise MovieError(path, "its metadata tells no frame period")
    check_frame_period(path, period_s)
    return MovieInfo(
        path=path,
        format="isxb",
        width=width,
        height=height,
        frame_period_s=period_s,
        num_frames_from_header=header.num_recorded_frames + header.num_dropped_frames or None,
        num_dropped_from_header=header.num_dropped_frames,
        start_time_ms=header.start_time_ms if layout.is_whole else header.start_time_ms or None,
        hardware_counters_us=samples.hardware_counters_us(),
        times_are_known=layout.frame_metadata.is_whole,
        damage=damage,
    )


def _session(path: Path, file: IO[bytes], layout: IsxbLayout) -> tuple[int, int, Fraction | None]:
    """Width and height, and the period where the session metadata tells it.

    Without session metadata the first picture tells the size.
    """
    part = layout.session_metadata
    if not part.is_whole or part.size == 0:
        return *_first_picture_size(path, layout), None
    session = read_session(path, file, part)
    size = frame_size(path, session)
    _check_picture_size(path, *size)
    first_size = _first_picture_size(path, layout)
    if first_size != size:
        raise MovieError(
            path,
            f"its metadata says {size[0]} x {size[1]} pixels, "
            f"its first picture has {first_size[0]} x {first_size[1]}",
        )
    return *size, session_period_s(path, session)


def _check_picture_size(path: Path, width: int, height: int) -> None:
    """Raise `MovieError` unless pictures of that size can be read."""
    if width * height > MOST_PIXELS or width <= 0 or height <= 0:
        raise MovieError(
            path, f"claims pictures of {width} x {height} pixels; at most {MOST_PIXELS} are read"
        )


def _first_picture_size(path: Path, layout: IsxbLayout) -> tuple[int, int]:
    with open_pictures(path, layout) as (context, packets):
        pictures = (decode_picture(context, packet) for packet in packets)
        picture = next((picture for picture in pictures if picture is not None), None)
    if picture is None:
        raise MovieError(path, "holds no frame that can be decoded")
    return picture.width, picture.height


@dataclass(frozen=True)
class _SampleSpan:
    """How many samples there are, and the first and the last."""

    count: int
    first: FrameSample | None
    last: FrameSample | None

    @classmethod
    def of(cls, path: Path, layout: IsxbLayout) -> _SampleSpan:
        first: FrameSample | None = None
        last: FrameSample | None = None
        count = 0
        for last in frame_samples(path, layout):
            first = first or last
            count += 1
        return cls(count, first, last)

    def hardware_counters_us(self) -> tuple[int, int] | None:
        if self.first is None or self.last is None:
            return None
        return self.first.hardware_counter_us, self.last.hardware_counter_us

    def mean_step_s(self) -> Fraction | None:
        """Mean step of the hardware counter from one frame to the next, in seconds."""
        if self.first is None or self.last is None:
            return None
        num_steps = self.last.frame_count - self.first.frame_count
        if num_steps == 0:
            return None
        step_us = self.last.hardware_counter_us - self.first.hardware_counter_us
        return Fraction(step_us, num_steps) / 1_000_000


def _num_dropped(path: Path, layout: IsxbLayout) -> int:
    """Count the dropped frames that are listed, each within the movie."""
    num_frames = layout.header.num_recorded_frames + layout.header.num_dropped_frames
    count = 0
    for index in dropped_frame_indices(path, layout):
        count += 1
        if not 0 <= index < num_frames:
            raise MovieError(path, f"its metadata drops frame {index} of {num_frames}")
    return count


def _check_counts(path: Path, layout: IsxbLayout, samples: _SampleSpan, num_dropped: int) -> None:
    header = layout.header
    if samples.count != header.num_recorded_frames:
        raise MovieError(
            path,
            f"its header counts {header.num_recorded_frames} frames, its metadata {samples.count}",
        )
    if num_dropped != header.num_dropped_frames:
        raise MovieError(
            path,
            f"its header counts {header.num_dropped_frames} dropped frames, "
            f"its metadata {num_dropped}",
        )


def are_counted(layout: IsxbLayout) -> bool:
    """Tell whether the pictures of a whole file are counted before they are read."""
    return layout.video.size <= _MOST_COUNTED_BYTES


def _picture_damage(path: Path, layout: IsxbLayout, width: int, height: int) -> str | None:
    """Say whether pictures are missing; None where there are as many as samples."""
    if not are_counted(layout):
        return None  # reading will tell
    with open_pictures(path, layout) as (_, packets):
        count = sum(1 for _ in packets)
    if count == layout.header.num_recorded_frames:
        return None
    return find_lost_pictures(path, layout, width, height).damage
