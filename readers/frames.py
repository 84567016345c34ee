"""The description of a movie and of a part of its frames, and the batches that a reader gives."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from fractions import Fraction
from numbers import Integral
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from readers.errors import InputError

TrackerBox = tuple[float, float, float, float]
"""Left, top, right and bottom of the animal in pixels of the whole frame."""


class FrameStatus(IntEnum):
    """The state of a frame: with a picture, or the reason why there is none."""

    DECODED = 0
    DROPPED = 1
    """The recorder itself lost this frame: the file counts it but holds no picture of it."""
    UNDECODABLE = 2
    """The file holds data for this frame, but no picture could be made of it."""
    SKIPPED = 3
    """Not looked at: a live run that was behind went on with the newest frame."""


@dataclass(frozen=True)
class Orientation:
    """The steps that make a stored picture upright: it is transposed, then mirrored.

    Attributes
    ----------
    is_transposed
        Lines become columns.
    is_mirrored_x, is_mirrored_y
        Afterwards, left and right, or top and bottom, change places.
    ignored_degrees
        An angle, anticlockwise, that the file asks for and that is not applied, because it is no
        multiple of 90°; 0 for none.
    """

    is_transposed: bool = False
    is_mirrored_x: bool = False
    is_mirrored_y: bool = False
    ignored_degrees: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture from those of the stored one, or back."""
        return (height, width) if self.is_transposed else (width, height)

    @property
    def filters(self) -> list[tuple[str, str]]:
        """Names and arguments of the filters of FFmpeg that make a picture upright."""
        if self.is_transposed:
            return [("transpose", str(self.is_mirrored_x + 2 * self.is_mirrored_y))]
        mirrored_y = [("vflip", ""), ("copy", "")]  # a flipped picture alone counts lines backwards
        return mirrored_y * self.is_mirrored_y + [("hflip", "")] * self.is_mirrored_x

    def __str__(self) -> str:
        if self.ignored_degrees:
            return f"as stored (an angle of {self.ignored_degrees}° anticlockwise is not applied)"
        return _TEXTS[self.is_transposed, self.is_mirrored_x, self.is_mirrored_y]


AS_STORED = Orientation()
_TEXTS = {
    (False, False, False): "as stored",
    (False, True, False): "mirrored, left to right",
    (False, False, True): "mirrored, top to bottom",
    (False, True, True): "turned by 180°",
    (True, True, False): "turned by 90° clockwise",
    (True, False, True): "turned by 90° anticlockwise",
    (True, False, False): "turned by 90° clockwise, then mirrored, left to right",
    (True, True, True): "turned by 90° anticlockwise, then mirrored, left to right",
}


@dataclass(frozen=True)
class MovieInfo:
    """The description of a movie, as it says of itself before any frame is decoded.

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
class CropRectangle:
    """A rectangle in pixels of the whole frame; `left` and `top` belong to it.

    Raises
    ------
    InputError
        If it has no area, begins outside the frame, or has sides that are not whole numbers.
    """

    left: int
    top: int
    width: int
    height: int

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            side = getattr(self, name)
            if not isinstance(side, Integral) or isinstance(side, bool):
                raise InputError(f"crop rectangle {self}: {name} must be a whole number of pixels")
            object.__setattr__(self, name, int(side))  # numpy's integers do not fit into JSON
        if self.width <= 0 or self.height <= 0 or self.left < 0 or self.top < 0:
            raise InputError(
                f"crop rectangle {self}: left and top must be 0 or more, width and height 1 or more"
            )

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.width},{self.height}"

    def as_stored(self, movie: MovieInfo) -> CropRectangle:
        """Give the same part of the movie's pictures as they are before they are made upright."""
        orientation = movie.orientation
        left, top = self.left, self.top
        if orientation.is_mirrored_x:
            left = movie.width - left - self.width
        if orientation.is_mirrored_y:
            top = movie.height - top - self.height
        if orientation.is_transposed:
            return CropRectangle(top, left, self.height, self.width)
        return CropRectangle(left, top, self.width, self.height)

    def check_inside(self, movie: MovieInfo) -> None:
        """Raise `InputError` unless the whole rectangle lies inside the movie's frames."""
        if self.left + self.width > movie.width or self.top + self.height > movie.height:
            raise InputError(
                f"crop rectangle {self} (left,top,width,height) reaches beyond the frames of "
                f"{movie.path}, which are {movie.width} x {movie.height} pixels"
            )


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
