"""The part of each frame that is looked at."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Integral

from readers.errors import InputError
from readers.frames import MovieInfo


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
