"""The description of an .isxb movie, whose parts have to agree with each other."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import IO

from readers.errors import MovieError, movie_errors
from readers.ffmpeg import MOST_PIXELS, open_regular_file
from readers.frame_times import UNKNOWN_S, check_frame_period
from readers.frames import MovieInfo
from readers.isxb.layout import IsxbLayout, read_layout
from readers.isxb.lost_pictures import find_lost_pictures
from readers.isxb.metadata import dropped_frame_indices, read_samples, read_session
from readers.isxb.pictures import decode_picture, open_pictures

_MOST_COUNTED_BYTES = 2**30
"""Pictures of larger recordings are not counted beforehand: that alone would take minutes."""


def inspect_isxb(path: Path) -> MovieInfo:
    """Tell what an .isxb movie is, and check that its parts agree with each other.

    The frame metadata is read once from end to end, as a stream, to count its samples and,
    where ``timingInfo`` is missing, to find the period as Inscopix's reader does: the mean step
    of the hardware counter. A recording that was cut off is read as far as it goes: without
    samples its times and counters are unknown, and its period is taken for 1/25 s.

    Raises `MovieError` if header, metadata and pictures contradict each other, or no picture can be
    decoded.
    """
    with movie_errors(path), open_regular_file(path) as file:
        layout = read_layout(path, file)
        header = layout.header
        width, height, period_s = _session(path, file, layout)
        num_samples, first, last = read_samples(path, layout)
        damage = _damage(path, layout, num_samples, (width, height))
    counters_us = None
    if first is not None and last is not None:
        counters_us = first.hardware_counter_us, last.hardware_counter_us
        num_steps = last.frame_count - first.frame_count
        if period_s is None and num_steps:
            period_s = Fraction(counters_us[1] - counters_us[0], num_steps * 1_000_000)
    if period_s is None and layout.is_whole:
        raise MovieError(path, "its metadata tells no frame period")
    period_s = UNKNOWN_S if period_s is None else period_s
    check_frame_period(path, period_s)
    return MovieInfo(
        path=path,
        format="isxb",
        width=width,
        height=height,
        frame_period_s=period_s,
        num_frames_from_header=header.num_frames or None,
        num_dropped_from_header=header.num_dropped_frames,
        start_time_ms=header.start_time_ms if layout.is_whole else header.start_time_ms or None,
        hardware_counters_us=counters_us,
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
    width, height, period_s = read_session(path, file, part)
    if width * height > MOST_PIXELS or width <= 0 or height <= 0:
        raise MovieError(
            path, f"claims pictures of {width} x {height} pixels; at most {MOST_PIXELS} are read"
        )
    found = _first_picture_size(path, layout)
    if found != (width, height):
        raise MovieError(
            path,
            f"its metadata says {width} x {height} pixels, "
            f"its first picture has {found[0]} x {found[1]}",
        )
    return width, height, period_s


def _first_picture_size(path: Path, layout: IsxbLayout) -> tuple[int, int]:
    with open_pictures(path, layout) as (context, packets):
        pictures = (decode_picture(context, packet) for packet in packets)
        picture = next((picture for picture in pictures if picture is not None), None)
    if picture is None:
        raise MovieError(path, "holds no frame that can be decoded")
    return picture.width, picture.height


def _damage(path: Path, layout: IsxbLayout, num_samples: int, size: tuple[int, int]) -> str | None:
    """Say what was cut off, or whether pictures are missing; None where nothing is.

    A whole file of up to 1 GiB of pictures has them counted; where there are fewer than samples,
    `find_lost_pictures` has to know which are missing.
    """
    header, num_dropped = layout.header, 0
    for index in dropped_frame_indices(path, layout):
        num_dropped += 1
        if not 0 <= index < header.num_frames:
            raise MovieError(path, f"its metadata drops frame {index} of {header.num_frames}")
    if not layout.is_whole:
        return layout.damage(num_samples, num_dropped)
    for what, counted, found in (
        ("frames", header.num_recorded_frames, num_samples),
        ("dropped frames", header.num_dropped_frames, num_dropped),
    ):
        if counted != found:
            raise MovieError(path, f"its header counts {counted} {what}, its metadata {found}")
    if not are_counted(layout):
        return None  # reading will tell
    with open_pictures(path, layout) as (_, packets):
        num_pictures = sum(1 for _ in packets)
    if num_pictures == num_samples:
        return None
    return find_lost_pictures(path, layout, *size).damage


def are_counted(layout: IsxbLayout) -> bool:
    """Tell whether the pictures of a whole file are counted before they are read."""
    return layout.video.size <= _MOST_COUNTED_BYTES
