"""The description of a movie, and the batches of frames that a reader hands on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from readers.orientation import AS_STORED, Orientation

TrackerBox = tuple[float, float, float, float]
"""Left, top, right and bottom of the animal in pixels of the whole frame."""


class FrameStatus(IntEnum):
    """Whether a frame has a picture, and why not."""

    DECODED = 0
    DROPPED = 1
    """The recorder itself lost this frame: the file counts it but holds no picture of it."""
    UNDECODABLE = 2
    """The file holds data for this frame, but no picture could be made of it."""
    SKIPPED = 3
    """Not looked at: a live run that was behind went on with the newest frame."""


@dataclass(frozen=True)
class MovieInfo:
    """What a movie says about itself before any frame is decoded.

    Attributes
    ----------
    path
        The movie file.
    format
        Its kind by content, whatever its name: ``"isxb"``, ``"mp4"``, ``"mov"``, ``"avi"``,
        ``"mkv"``, ``"webm"``, ``"ts"``, ``"mpg"``, ``"wmv"``, or FFmpeg's name of another.
    width, height
        Size of the whole frame in pixels, upright, as it is shown and read.
    frame_period_s
        Seconds from one frame to the next, nominal where the rate varies.
    num_frames_from_header
        Frames that the file claims, dropped ones included; for display only, never trusted.
        None where the file claims nothing.
    num_dropped_from_header
        Frames that the file claims were lost while it was recorded; None where it does not tell.
    duration_s
        Seconds that the file seems to last, about; None where it does not tell.
    start_time_ms
        Start of the recording in milliseconds since 1970-01-01 UTC, where the file tells.
    hardware_counters_us
        First and last counter of the recording hardware in microseconds (.isxb only), else None.
    times_are_known
        False where the file does not tell of all frames when they were taken: their times are NaN.
    damage
        One line, without the path, that says what is wrong with the file as a whole, such as that
        it was cut off; None where it is whole.
    notes
        What the user should know of the file besides, a line each, without the path.
    orientation
        How the movie's first picture, and with it every other, is turned and mirrored.
    """

    path: Path
    format: str
    width: int
    height: int
    frame_period_s: Fraction
    num_frames_from_header: int | None = None
    num_dropped_from_header: int | None = None
    duration_s: Fraction | None = None
    start_time_ms: int | None = None
    hardware_counters_us: tuple[int, int] | None = None
    times_are_known: bool = True
    damage: str | None = None
    notes: tuple[str, ...] = ()
    orientation: Orientation = AS_STORED

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height of a picture as it comes from the decoder, in pixels."""
        return self.orientation.size(self.width, self.height)

    @property
    def has_hardware_counter(self) -> bool:
        """Whether frames carry counters of the recording hardware."""
        return self.hardware_counters_us is not None

    @property
    def frame_rate(self) -> Fraction:
        """Frames per second, nominal where the rate varies."""
        return 1 / self.frame_period_s


@dataclass(frozen=True)
class FrameBatch:
    """Contiguous frames of one movie, in order, none skipped.

    Attributes
    ----------
    first_frame_index
        Index within the movie of the first frame, from 0.
    images
        uint8, shape (frames, height, width, 3), RGB, cropped where a crop was asked for.
        Black where there is no picture. Shape (frames, 0, 0, 3) where the pictures were not read
        again, because a run that was resumed has drawn them already.
    time_s
        float64, shape (frames,): seconds since the movie's first frame; NaN where unknown.
    hardware_counter_us
        float64, shape (frames,): the recorder's counter in microseconds; NaN where the frame
        has none.
    status
        uint8, shape (frames,): a `FrameStatus` for each frame.
    arrival_time_s
        float64, shape (frames,): seconds since 1970-01-01 UTC when all that is needed to decode a
        frame was there, by `readers.live.now_s`. None but for movies that are being recorded.
    tracker_boxes
        float64, shape (frames, 4): left, top, right and bottom of the animal in pixels of the
        images, as the recorder's own tracker saw it; NaN where it tells nothing. They may lie
        outside the images. None where it tells nothing of any of these frames.

    Raises
    ------
    ValueError
        If the leading dimensions disagree.
    """

    first_frame_index: int
    images: NDArray[np.uint8]
    time_s: NDArray[np.float64]
    hardware_counter_us: NDArray[np.float64]
    status: NDArray[np.uint8]
    arrival_time_s: NDArray[np.float64] | None = None
    tracker_boxes: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        arrays = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        lengths = {name: len(array) for name, array in arrays.items() if array is not None}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"leading dimensions of a FrameBatch must agree, got {lengths}")

    def __len__(self) -> int:
        return len(self.images)
