"""The turning and mirroring that makes the pictures of a movie upright."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """What makes a stored picture upright: it is transposed, then mirrored.

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


def orientation_of(picture: av.VideoFrame) -> Orientation:
    """Tell how a picture is to be turned by the container, or by what the camera wrote into it."""
    try:
        matrix = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV 18.1 does not know all that FFmpeg knows, such as a JPEG's EXIF data
        cos, sin = (f(math.radians(picture.rotation)) for f in (math.cos, math.sin))
        return _orientation(np.array([[cos, -sin], [sin, cos]]))
    if matrix is None:
        return AS_STORED
    numbers = np.frombuffer(memoryview(cast(SideData, matrix)), np.int32)
    return _orientation(numbers.reshape(3, 3)[:2, :2].astype(np.float64))


def _orientation(matrix: NDArray[np.float64]) -> Orientation:
    """Read a matrix that the position (x, y) of a stored pixel is multiplied with, as a row."""
    scale = np.hypot(*matrix)
    if not scale.all():
        return AS_STORED
    across, along = matrix[0] / scale
    degrees = round(math.degrees(math.atan2(-along, across)))
    if degrees % 90:
        return Orientation(ignored_degrees=degrees)
    if degrees % 180:
        return Orientation(True, bool(matrix[1, 0] < 0), bool(matrix[0, 1] < 0))
    return Orientation(False, bool(matrix[0, 0] < 0), bool(matrix[1, 1] < 0))
