"""Decoded pictures become RGB pixels in a buffer that somebody else owns."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from readers.crop import CropRectangle
from readers.picture_crop import PictureCrop


class RgbConverter:
    """Converts colour pictures as OpenCV does, and so as DeepLabCut sees them.

    OpenCV takes chroma for BT.601, whatever the movie says, and passes over a rotation that the
    container asks for; a model has learned from such pictures. Equal to ``cv2.VideoCapture`` in
    every pixel for 8-bit formats of even height; at odd heights FFmpeg interpolates subsampled
    chroma, which OpenCV repeats. One converter belongs to one movie: it keeps FFmpeg's tables
    between pictures, and makes new ones when the pixel format changes.
    """

    def __init__(self, crop: CropRectangle | None) -> None:
        self._cut = None if crop is None else PictureCrop(crop)
        self._reformatter = VideoReformatter()

    def convert(self, picture: av.VideoFrame, into: NDArray[np.uint8]) -> None:
        """Write the cropped picture to `into`, uint8 (height, width, 3), RGB."""
        crop = None
        if self._cut is not None:
            picture = self._cut.cut(picture)
            crop = self._cut.rest
        rgb = self._reformatter.reformat(
            picture,
            format="rgb24",
            src_colorspace=Colorspace.ITU601,
            dst_colorspace=Colorspace.ITU601,
            src_color_range=picture.color_range,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )
        image = _rows(rgb)[:, : 3 * rgb.width].reshape(rgb.height, rgb.width, 3)
        into[...] = _cropped(image, crop)


class GreyConverter:
    """Takes the luma of a full-range picture, as Inscopix's own reader does for .isxb."""

    def __init__(self, crop: CropRectangle | None) -> None:
        self._crop = crop

    def convert(self, picture: av.VideoFrame, into: NDArray[np.uint8]) -> None:
        """Write the cropped luma to each channel of `into`, uint8 (height, width, 3)."""
        luma = _cropped(_rows(picture)[:, : picture.width], self._crop)
        for channel in range(3):  # in one assignment, numpy takes five times as long
            into[..., channel] = luma


def _rows(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """View the first plane: uint8, shape (height, bytes per line), padding at the lines' ends."""
    plane = picture.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)


def _cropped(image: NDArray[np.uint8], crop: CropRectangle | None) -> NDArray[np.uint8]:
    if crop is None:
        return image
    return image[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
