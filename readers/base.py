"""The reader of a movie, as far as it is the same for every format."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Self

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from readers.errors import joined, movie_errors
from readers.frames import CropRectangle, FrameBatch, FrameStatus, MovieInfo, TrackerBox
from readers.pixels import Converter, RgbConverter


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One frame as it comes from the decoder; `picture` is None unless it was decoded.

    The tracker's box is in pixels of the whole frame; the time of arrival is as of a `FrameBatch`.
    """

    picture: av.VideoFrame | None
    time_s: float
    hardware_counter_us: float = math.nan
    status: FrameStatus = FrameStatus.DECODED
    tracker_box: TrackerBox | None = None
    arrival_time_s: float = math.nan


@dataclass
class MovieReader(ABC):
    """Reads one movie from its first frame to its last, once.

    A context manager; the file is open within its block. `read` may be called from another
    thread than the one that opened it, but only from one at a time. All methods raise `MovieError`
    if the file cannot be read any more.

    Attributes
    ----------
    info
        What is known about the movie.
    crop
        The part of each frame that is read; None for all of it.
    most_frames
        Frames after which the reader ends; None to read the whole movie.
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
        self._converter = self.converter(self.info, self.crop)

    @abstractmethod
    def _decode(self) -> Generator[DecodedFrame, None, None]:
        """Open the file and yield every frame of the movie, in order."""

    @staticmethod
    def converter(movie: MovieInfo, crop: CropRectangle | None) -> Converter:
        """Make the converter of this format's pictures to RGB pixels."""
        return RgbConverter(movie, crop)

    @property
    def damage(self) -> str | None:
        """What is wrong with the file as a whole, as far as is known by now; None for nothing."""
        return joined(self.info.damage, self._damage)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that `read` fills."""
        area = self.crop or self.info
        return area.height, area.width, 3

    def __enter__(self) -> Self:
        self._frames = self._decode()
        self._next_frame_index = 0
        self._damage = None
        return self

    def __exit__(self, *error: object) -> None:
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
        """
        rows: list[DecodedFrame] = []
        with movie_errors(self.info.path):
            room = images[: self._at_most(len(images))]
            for image, frame in zip(room, self._frames, strict=False):
                status = fill_image(image, frame, self._converter, self.info)
                rows.append(replace(frame, picture=None, status=status))
        if not rows:
            return None
        tracker_boxes = None
        if any(row.tracker_box is not None for row in rows):
            corner = (0, 0) if self.crop is None else (self.crop.left, self.crop.top)
            boxes = [row.tracker_box or (math.nan,) * 4 for row in rows]
            tracker_boxes = np.array(boxes, np.float64) - (*corner, *corner)
        first_frame_index = self._next_frame_index
        self._next_frame_index += len(rows)
        return FrameBatch(
            first_frame_index,
            images[: len(rows)],
            np.array([row.time_s for row in rows]),
            np.array([row.hardware_counter_us for row in rows]),
            np.array([row.status for row in rows], np.uint8),
            tracker_boxes=tracker_boxes,
        )

    def skip(self, num_frames: int) -> int:
        """Pass over the next frames, without decoding them where each stands alone (.isxb).

        What is read next is the same as if they had been read.

        Returns
        -------
        int
            How many there were: fewer at the end of the movie.
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
        """
        with movie_errors(self.info.path):
            while self._at_most(1) and (frame := next(self._frames, None)) is not None:
                self._next_frame_index += 1
                yield replace(frame, picture=None)

    def _at_most(self, num_frames: int) -> int:
        if self.most_frames is None:
            return num_frames
        return min(num_frames, self.most_frames - self._next_frame_index)


def fill_image(
    image: NDArray[np.uint8], frame: DecodedFrame, converter: Converter, movie: MovieInfo
) -> FrameStatus:
    """Write a frame's pixels, black where there is no picture that can be used; tell its status."""
    picture = frame.picture
    # Poses in a picture of another size would mislead.
    if picture is not None and (picture.width, picture.height) == movie.stored_size:
        try:
            converter.convert(picture, image)
        except av.error.FFmpegError:
            pass  # a picture that cannot be converted cannot be used
        else:
            return frame.status
    image[...] = 0
    return frame.status if picture is None else FrameStatus.UNDECODABLE
