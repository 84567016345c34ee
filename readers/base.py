"""What every reader does the same way: fill a buffer with the next frames."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from types import TracebackType
from typing import Protocol, Self

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from readers.crop import CropRectangle
from readers.errors import joined, movie_errors
from readers.frames import FrameBatch, FrameStatus, MovieInfo


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One frame as it comes from the decoder; `picture` is None unless it was decoded.

    The tracker's box (left, top, right, bottom) is in pixels of the whole frame; the time of
    arrival is as of a `FrameBatch`.
    """

    picture: av.VideoFrame | None
    time_s: float
    hardware_counter_us: float = math.nan
    status: FrameStatus = FrameStatus.DECODED
    tracker_box: tuple[float, float, float, float] | None = None
    arrival_time_s: float = math.nan


class Converter(Protocol):
    """Writes a decoded picture's pixels into a buffer."""

    def convert(self, picture: av.VideoFrame, into: NDArray[np.uint8]) -> None:
        """Write the picture, cropped, to `into`, uint8 (height, width, 3), RGB."""


@dataclass
class MovieReader(ABC):
    """Reads one movie from its first frame to its last, once.

    A context manager; the file is open within its block. `read` may be called from another
    thread than the one that opened it, but only from one at a time.

    Attributes
    ----------
    info
        What is known about the movie.
    crop
        The part of each frame that is read; None for all of it.
    most_frames
        The movie is taken to end after as many frames; None for where it ends.
    """

    info: MovieInfo
    crop: CropRectangle | None = None
    most_frames: int | None = None
    _frames: Generator[DecodedFrame, None, None] = field(init=False, repr=False)
    _next_frame_index: int = field(default=0, init=False, repr=False)
    _damage: str | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.crop is not None:
            self.crop.check_inside(self.info)
        self._converter = self._make_converter()

    @abstractmethod
    def _decode(self) -> Generator[DecodedFrame, None, None]:
        """Open the file and yield every frame of the movie, in order."""

    @abstractmethod
    def _make_converter(self) -> Converter:
        """Make what turns this movie's pictures into RGB pixels."""

    @property
    def damage(self) -> str | None:
        """What is wrong with the file as a whole, as far as is known by now; None for nothing."""
        return joined(self.info.damage, self._damage)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that `read` fills."""
        if self.crop is None:
            return self.info.height, self.info.width, 3
        return self.crop.height, self.crop.width, 3

    def __enter__(self) -> Self:
        self._frames = self._decode()
        self._next_frame_index = 0
        self._damage = None
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._frames.close()

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        """Fill `images` with the next frames of the movie.

        Parameters
        ----------
        images
            uint8, shape (capacity, height, width, 3) with this reader's `image_shape`. Frames
            without a picture are left black.

        Returns
        -------
        FrameBatch or None
            As many frames as there are, up to the capacity; its images are a view of `images`.
            None at the end of the movie.

        Raises
        ------
        MovieError
            If the file cannot be read any more.
        """
        capacity = self._at_most(len(images))
        time_s = np.empty(capacity)
        hardware_counter_us = np.empty(capacity)
        status = np.empty(capacity, np.uint8)
        tracker_boxes = None
        count = 0
        with movie_errors(self.info.path):
            while count < capacity and (frame := next(self._frames, None)) is not None:
                time_s[count] = frame.time_s
                hardware_counter_us[count] = frame.hardware_counter_us
                status[count] = self._fill(images[count], frame)
                if frame.tracker_box is not None:
                    if tracker_boxes is None:
                        tracker_boxes = np.full((capacity, 4), np.nan)
                    tracker_boxes[count] = self._in_images(frame.tracker_box)
                count += 1
        if count == 0:
            return None
        first_frame_index = self._next_frame_index
        self._next_frame_index += count
        return FrameBatch(
            first_frame_index,
            images[:count],
            time_s[:count],
            hardware_counter_us[:count],
            status[:count],
            tracker_boxes=None if tracker_boxes is None else tracker_boxes[:count],
        )

    def skip(self, num_frames: int) -> int:
        """Pass over the next frames, without decoding them where each stands alone (.isxb).

        What is read next is the same as if they had been read.

        Returns
        -------
        int
            How many there were: fewer at the end of the movie.

        Raises
        ------
        MovieError
            If the file cannot be read any more.
        """
        return self.decode(num_frames)

    def decode(self, num_frames: int) -> int:
        """Decode the next frames and leave their pixels alone; otherwise as `skip`."""
        with movie_errors(self.info.path):
            count = sum(1 for _ in islice(self._frames, self._at_most(num_frames)))
        self._next_frame_index += count
        return count

    def times(self) -> Iterator[DecodedFrame]:
        """Yield the next frames without their pictures: when they were taken, and what was lost.

        What is read next is the same as if they had been read. Where each picture stands alone
        (.isxb), none is looked at, nor told undecodable.

        Raises
        ------
        MovieError
            If the file cannot be read any more.
        """
        with movie_errors(self.info.path):
            while self._at_most(1) and (frame := next(self._frames, None)) is not None:
                self._next_frame_index += 1
                yield replace(frame, picture=None)

    def _at_most(self, num_frames: int) -> int:
        if self.most_frames is None:
            return num_frames
        return min(num_frames, self.most_frames - self._next_frame_index)

    def _in_images(self, box: tuple[float, float, float, float]) -> NDArray[np.float64]:
        corner = (0, 0) if self.crop is None else (self.crop.left, self.crop.top)
        return np.subtract(box, (*corner, *corner), dtype=np.float64)

    def _fill(self, image: NDArray[np.uint8], frame: DecodedFrame) -> FrameStatus:
        if fill_image(image, frame.picture, self._converter, self.info):
            return frame.status
        return frame.status if frame.picture is None else FrameStatus.UNDECODABLE


def fill_image(
    image: NDArray[np.uint8], picture: av.VideoFrame | None, converter: Converter, movie: MovieInfo
) -> bool:
    """Write a picture's pixels; black, and False, where there are none that can be used."""
    if picture is not None and fits(picture, movie):
        try:
            converter.convert(picture, image)
        except av.error.FFmpegError:
            pass  # a picture that cannot be converted is as good as none
        else:
            return True
    image[...] = 0
    return False


def fits(picture: av.VideoFrame, movie: MovieInfo) -> bool:
    """Tell whether a picture has the movie's size; poses in another would mislead."""
    return (picture.width, picture.height) == movie.stored_size
