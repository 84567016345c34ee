"""The picture that poses are drawn on, on its way to the encoder."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    VideoReformatter,
)
from numpy.typing import NDArray


class Canvas:
    """One RGB buffer that frames are drawn on, shared with FFmpeg, padded to even sizes.

    Attributes
    ----------
    image
        uint8, shape (height, width, 3), RGB: what is drawn on.
    padded_shape
        Height and width in pixels of what is encoded.
    """

    def __init__(self, width: int, height: int) -> None:
        self.padded_shape = (height + height % 2, width + width % 2)
        self._padded = np.zeros((*self.padded_shape, 3), np.uint8)
        self.image: NDArray[np.uint8] = self._padded[:height, :width]
        self._frame = av.VideoFrame.from_numpy_buffer(self._padded, "rgb24")
        self._reformatter = VideoReformatter()

    def to_yuv420p(self) -> av.VideoFrame:
        """Convert what is on the canvas now; the result does not change with the canvas."""
        height, width = self.image.shape[:2]
        self._padded[height:, :width] = self.image[-1:]
        self._padded[:, width:] = self._padded[:, width - 1 : width]
        return self._reformatter.reformat(
            self._frame,
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_primaries=ColorPrimaries.BT709,
            dst_color_trc=ColorTrc.BT709,
            threads=1,
        )
