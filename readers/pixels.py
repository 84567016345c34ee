"""The conversion of decoded pictures to upright RGB pixels in a buffer."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Protocol, cast

import av
import av.error
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideData
from numpy.typing import NDArray

from readers.frames import AS_STORED, CropRectangle, MovieInfo, Orientation

_Filter = tuple[str, str]
_IN_BLOCKS = frozenset({"yuv420p", "yuvj420p", "yuva420p", "yuv422p", "yuvj422p"})
"""Of these, FFmpeg converts each block of 2 × 2 pixels by itself, if their height is even. So it
does with formats whose colours have the size of the picture."""
_AS_OPENCV: list[_Filter] = [
    # What the movie says of its pictures is passed over. FFmpeg takes a pixel format of full
    # range for that nevertheless, and refuses transfer functions and primaries that are reserved.
    (
        "setparams",
        "range=limited:colorspace=smpte170m:color_primaries=unknown:color_trc=unknown"
        ":chroma_location=center:field_mode=prog",
    ),
    ("scale", "flags=bicubic"),
]


class Converter(Protocol):
    """Writes a decoded picture's pixels into a buffer."""

    def convert(self, picture: av.VideoFrame, into: NDArray[np.uint8]) -> None:
        """Write the picture, cropped, to `into`, uint8 (height, width, 3), RGB."""


class RgbConverter:
    """Converts colour pictures as OpenCV does, and so as DeepLabCut sees them; makes them upright.

    OpenCV looks at the pixel format alone: it takes chroma for BT.601 and passes over what the
    movie says of its range, its chroma's place and its fields; a model has learned from such
    pictures. Equal to ``cv2.VideoCapture`` in every pixel that OpenCV converts at all. One
    converter belongs to one movie: it keeps FFmpeg's filters between pictures, and makes new ones
    when the pixel format changes.

    Parameters
    ----------
    movie
        Tells how pictures are turned and mirrored; they must have its size.
    crop
        The part of the upright picture that is converted; None for all of it.
    """

    def __init__(self, movie: MovieInfo, crop: CropRectangle | None) -> None:
        self._orientation = movie.orientation
        self._crop = None if crop is None else crop.as_stored(movie)
        self._pixel_format: str | None = None
        self._graph = Graph()

    def convert(self, picture: av.VideoFrame, into: NDArray[np.uint8]) -> None:
        """Write the cropped picture to `into`, uint8 (height, width, 3), RGB."""
        is_new = picture.format.name != self._pixel_format
        self._pixel_format = None  # until all went well
        if is_new:
            graph = self._graph = Graph()
            graph.threads = 1  # as the results need that are equal to OpenCV's
            source = graph.add_buffer(
                width=picture.width,
                height=picture.height,
                format=picture.format,
                time_base=Fraction(1, 1000),
            )
            chain = [graph.add(name, arguments) for name, arguments in self._filters(picture)]
            graph.link_nodes(source, *chain, graph.add("buffersink"))
            graph.configure()
        self._graph.push(picture)
        rgb = cast(av.VideoFrame, self._graph.pull())
        self._pixel_format = picture.format.name
        into[...] = _rows(rgb)[:, : 3 * rgb.width].reshape(rgb.height, rgb.width, 3)

    def _filters(self, picture: av.VideoFrame) -> list[_Filter]:
        """List the filters for pictures of this kind."""
        crop, orientation, pixels = self._crop, self._orientation.filters, picture.format
        if pixels.name in _IN_BLOCKS:
            is_in_blocks = picture.height % 2 == 0
        else:
            chroma_size = pixels.chroma_width(4), pixels.chroma_height(4)
            is_in_blocks = chroma_size == (4, 4) and not pixels.is_bayer
        if not is_in_blocks:
            # By way of blue, green, red, as OpenCV: FFmpeg rounds otherwise without it.
            convert = [*_AS_OPENCV, ("format", "bgr24"), ("scale", ""), ("format", "rgb24")]
            return convert + ([] if crop is None else [_cut(crop)]) + orientation
        convert = [*_AS_OPENCV, ("format", "rgb24")]
        if crop is None:
            return convert + orientation
        # Whole blocks are converted, and then what is too much of them cut off.
        left, top = crop.left - crop.left % 2, crop.top - crop.top % 2
        right, bottom = crop.left + crop.width, crop.top + crop.height
        right = min(right + right % 2, picture.width)
        bottom = min(bottom + bottom % 2, picture.height)
        blocks = CropRectangle(left, top, right - left, bottom - top)
        rest = CropRectangle(crop.left - left, crop.top - top, crop.width, crop.height)
        return [_cut(blocks), *convert, _cut(rest), *orientation]


class GreyConverter:
    """Takes the luma of a full-range picture, as Inscopix's own reader does for .isxb."""

    def __init__(self, crop: CropRectangle | None) -> None:
        self._crop = crop

    def convert(self, picture: av.VideoFrame, into: NDArray[np.uint8]) -> None:
        """Write the cropped luma to each channel of `into`, uint8 (height, width, 3)."""
        luma = _rows(picture)[:, : picture.width]
        if (crop := self._crop) is not None:
            luma = luma[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        for channel in range(3):  # in one assignment, numpy takes five times as long
            into[..., channel] = luma


def _cut(crop: CropRectangle) -> _Filter:
    return "crop", f"{crop.width}:{crop.height}:{crop.left}:{crop.top}:exact=1"


def _rows(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """View the first plane: uint8, shape (height, bytes per line), padding at the lines' ends."""
    plane = picture.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)


def orientation_of(picture: av.VideoFrame) -> Orientation:
    """Tell how a picture is to be turned by the container, or by what the camera wrote into it.

    The matrix is one by which the row vector (x, y) of a stored pixel is multiplied.
    """
    try:
        display_matrix = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV 18.1 does not know all that FFmpeg knows, such as a JPEG's EXIF data
        cos, sin = (f(math.radians(picture.rotation)) for f in (math.cos, math.sin))
        matrix = np.array([[cos, -sin], [sin, cos]])
    else:
        if display_matrix is None:
            return AS_STORED
        numbers = np.frombuffer(memoryview(cast(SideData, display_matrix)), np.int32)
        matrix = numbers.reshape(3, 3)[:2, :2].astype(np.float64)
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
