"""The part of each frame that is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from readers.errors import InputError
from readers.frames import MovieInfo


@dataclass(frozen=True)
class CropRectangle:
    """A rectangle in pixels of the whole frame; `left` and `top` belong to it.

    Raises
    ------
    InputError
        If it has no area, or begins outside the frame.
    """

    left: int
    top: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0 or self.left < 0 or self.top < 0:
            raise InputError(
                f"crop rectangle {self}: left and top must be 0 or more, width and height 1 or more"
            )

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.width},{self.height}"

    def check_inside(self, movie: MovieInfo) -> None:
        """Raise `InputError` unless the whole rectangle lies inside the movie's frames."""
        if self.left + self.width > movie.width or self.top + self.height > movie.height:
            raise InputError(
                f"crop rectangle {self} (left,top,width,height) reaches beyond the frames of "
                f"{movie.path}, which are {movie.width} x {movie.height} pixels"
            )
