"""The description and the reader of movies of Inscopix nVision cameras: .isxb, read in place."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import av
from av.video.stream import VideoStream

from readers.base import DecodedFrame, MovieReader
from readers.errors import MovieError, movie_errors
from readers.ffmpeg import open_regular_file, packet_of, read_part
from readers.frame_times import UNKNOWN_S, check_frame_period
from readers.frames import CropRectangle, FrameStatus, MovieInfo
from readers.isxb.layout import (
    IsxbLayout,
    dropped_frame_indices,
    frame_samples,
    read_layout,
    read_samples,
    read_session,
)
from readers.isxb.pictures import (
    LARGEST_PICTURE_BYTES,
    cannot_tell,
    damaged_pictures,
    decode_picture,
    find_lost_pictures,
    first_picture_size,
    looks_damaged,
    open_pictures,
)
from readers.pixels import Converter, GreyConverter

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
        session = read_session(path, file, layout.session_metadata)
        found = first_picture_size(path, layout)
        width, height, period_s = session or (*found, None)
        if found != (width, height):
            sizes = f"{width} x {height} pixels, its first picture has {found[0]} x {found[1]}"
            raise MovieError(path, f"its metadata says {sizes}")
        num_samples, counters_us, mean_step_s = read_samples(path, layout)
        damage = _damage(path, layout, num_samples, (width, height))
    period_s = mean_step_s if period_s is None else period_s
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
    if layout.video.size > _MOST_COUNTED_BYTES:
        return None  # reading will tell
    with open_pictures(path, layout) as (_, packets):
        num_pictures = sum(1 for _ in packets)
    if num_pictures == num_samples:
        return None
    return find_lost_pictures(path, layout, *size).damage


@dataclass
class IsxbReader(MovieReader):
    """Reads an .isxb movie: pictures from the file itself, times from the hardware counter.

    A frame's time is (its counter - the movie's first counter) / 1e6. A dropped frame has no
    counter and no picture; its time follows from the last frame before it and the period, so
    that frames dropped before the first recorded one have negative times. Where the recording
    was cut off, counters and times that are not in the file are NaN.
    """

    _is_skipping: bool = field(default=False, init=False, repr=False)

    @staticmethod
    def converter(movie: MovieInfo, crop: CropRectangle | None) -> Converter:  # noqa: ARG004
        """Make the converter that takes the luma, as Inscopix's own reader does."""
        return GreyConverter(crop)

    def skip(self, num_frames: int) -> int:
        """Pass over the next frames without decoding: each picture stands alone."""
        self._is_skipping = True
        try:
            return self.decode(num_frames)
        finally:
            self._is_skipping = False

    def times(self) -> Iterator[DecodedFrame]:
        """Yield all frames without their pictures, from the metadata alone."""
        with movie_errors(self.info.path):
            yield from islice(self._with_dropped(self._sampled_frames), self.most_frames)

    def _decode(self) -> Generator[DecodedFrame, None, None]:
        return self._with_dropped(self._recorded_frames)

    def _with_dropped(
        self, recorded: Callable[[IsxbLayout], Iterator[DecodedFrame]]
    ) -> Generator[DecodedFrame, None, None]:
        with open_regular_file(self.info.path) as file:
            layout = read_layout(self.info.path, file)
        dropped = dropped_frame_indices(self.info.path, layout)
        period_s = float(self.info.frame_period_s)
        index, next_dropped = 0, next(dropped, None)
        while next_dropped == index:  # their times are known only from the first recorded frame
            index += 1
            next_dropped = next(dropped, None)
        for num_before_first in range(index, 0, -1):
            yield DecodedFrame(None, -num_before_first * period_s, status=FrameStatus.DROPPED)
        for frame in recorded(layout):
            yield frame
            index += 1
            time_s = frame.time_s
            while next_dropped == index:
                time_s += period_s
                yield DecodedFrame(None, time_s, status=FrameStatus.DROPPED)
                index += 1
                next_dropped = next(dropped, None)

    def _recorded_frames(self, layout: IsxbLayout) -> Iterator[DecodedFrame]:
        """Pair every recorded picture with its sample.

        In a whole file each sample is a row, also one whose picture is missing; an error where it
        cannot be told which is missing.
        """
        path = self.info.path
        samples = self._sampled_frames(layout)
        with open_pictures(path, layout) as (context, packets):
            pictures = self._whole_packets(layout, packets) if layout.is_whole else packets
            for packet in pictures:
                sample = next(samples, None)
                if sample is None and layout.is_whole:
                    raise MovieError(path, "has more pictures than its metadata says")
                picture = None
                if packet is not None and not self._is_skipping:
                    picture = decode_picture(context, packet)
                status = FrameStatus.UNDECODABLE if picture is None else FrameStatus.DECODED
                frame = DecodedFrame(None, math.nan) if sample is None else sample
                yield replace(frame, picture=picture, status=status)
        if layout.is_whole and next(samples, None) is not None:
            raise cannot_tell(path, layout, 1 + sum(1 for _ in samples))

    def _sampled_frames(self, layout: IsxbLayout) -> Iterator[DecodedFrame]:
        """Yield the recorded frames that have samples, without their pictures."""
        first_us: int | None = None
        for sample in frame_samples(self.info.path, layout):
            counter_us = sample.hardware_counter_us
            first_us = counter_us if first_us is None else first_us
            time_s = (counter_us - first_us) / 1e6
            yield DecodedFrame(None, time_s, float(counter_us), tracker_box=sample.tracker_box)

    def _whole_packets(
        self, layout: IsxbLayout, packets: Iterator[av.Packet[VideoStream]]
    ) -> Iterator[av.Packet[VideoStream] | None]:
        """Yield a packet for every picture of a whole file; None for one that is missing.

        FFmpeg's parser finds the pictures up to `offset`, where the first one looks damaged.
        """
        path, size = self.info.path, (self.info.width, self.info.height)
        num_found, offset = 0, layout.video.offset
        if self.info.damage is None:
            were_counted = layout.video.size <= _MOST_COUNTED_BYTES
            for packet in packets:
                if looks_damaged(packet, all_of_it=not were_counted):
                    break
                yield packet
                num_found, offset = num_found + 1, offset + packet.size
            else:
                return
        lost = find_lost_pictures(path, layout, *size)
        if lost.count:
            self._damage = lost.damage
        rows = islice(damaged_pictures(path, layout, *size, lost), num_found, None)
        with open_regular_file(path) as file:
            for number, extent in enumerate(rows, num_found):
                is_next = extent is not None and extent.offset == offset
                if number == num_found > 0 and not is_next:  # a picture before it is missing
                    raise cannot_tell(path, layout, lost.count)
                if extent is None:
                    yield None
                else:
                    num_bytes = min(extent.picture_size, LARGEST_PICTURE_BYTES)
                    yield packet_of(read_part(file, extent.offset, num_bytes))
