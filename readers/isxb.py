"""Movies of Inscopix nVision cameras: .isxb, read in place."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from readers.base import Converter, DecodedFrame, MovieReader
from readers.demuxer import open_regular_file
from readers.errors import MovieError
from readers.frames import FrameStatus
from readers.isxb_layout import IsxbLayout, read_layout
from readers.isxb_metadata import dropped_frame_indices, frame_samples
from readers.isxb_pictures import decode_picture, open_pictures
from readers.pictures import GreyConverter


@dataclass
class IsxbReader(MovieReader):
    """Reads an .isxb movie: pictures from the file itself, times from the hardware counter.

    A frame's time is (its counter - the movie's first counter) / 1e6. A dropped frame has no
    counter and no picture; its time follows from the last frame before it and the period, so
    that frames dropped before the first recorded one have negative times. Where the recording
    was cut off, counters and times that are not in the file are NaN.
    """

    _is_skipping: bool = field(default=False, init=False, repr=False)

    def _make_converter(self) -> Converter:
        return GreyConverter(self.crop)

    def skip(self, num_frames: int) -> int:
        """Pass over the next frames without decoding: each picture stands alone."""
        self._is_skipping = True
        try:
            return self.decode(num_frames)
        finally:
            self._is_skipping = False

    def _decode(self) -> Generator[DecodedFrame, None, None]:
        path = self.info.path
        with open_regular_file(path) as file:
            layout = read_layout(path, file)
        dropped = dropped_frame_indices(path, layout)
        recorded = self._recorded_frames(layout)
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

    def _recorded_frames(self, layout: IsxbLayout) -> Iterator[DecodedFrame]:
        """Pair every recorded picture with its sample.

        In a whole file, a picture without a sample, or a sample without a picture, ends in an
        error: nobody could tell which of the pairs before belong together.
        """
        path = self.info.path
        samples = frame_samples(path, layout)
        first_us: int | None = None
        with open_pictures(path, layout) as (context, packets):
            for packet in packets:
                sample = next(samples, None)
                if sample is None and layout.is_whole:
                    raise _disagreement(path)
                picture = None if self._is_skipping else decode_picture(context, packet)
                status = FrameStatus.UNDECODABLE if picture is None else FrameStatus.DECODED
                if sample is None:
                    yield DecodedFrame(picture, math.nan, status=status)
                    continue
                counter_us = sample.hardware_counter_us
                first_us = counter_us if first_us is None else first_us
                time_s = (counter_us - first_us) / 1e6
                yield DecodedFrame(picture, time_s, float(counter_us), status)
        if layout.is_whole and next(samples, None) is not None:
            raise _disagreement(path)


def _disagreement(path: Path) -> MovieError:
    return MovieError(path, "has another number of pictures than its metadata says")


def _dropped(time_s: float) -> DecodedFrame:
    return DecodedFrame(None, time_s, math.nan, FrameStatus.DROPPED)
