"""A labelled picture as browsers take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.watch.page.picture import WIDEST_PX, Picture
from sinks import OverlayStyle
from sinks.labelled_movie.overlay import Overlay

_QUALITY = 88
_SMALLEST_DOT_PX = 2.0


def labelled_jpeg(picture: Picture, body_parts: Sequence[str], style: OverlayStyle) -> bytes:
    """Draw the poses on the picture and encode it, at most 960 pixels wide.

    A picture that is as wide or narrower has the pixels of the labelled movie; dots and poses
    of a wider one are scaled down with it. Colours are not subsampled: dots are small. Pillow
    lets other threads run while it works.
    """
    scale = min(1.0, WIDEST_PX / picture.width)
    image = picture.image
    if scale < 1:
        size = (WIDEST_PX, max(1, round(picture.height * scale)))
        scaled = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        image = np.array(scaled)
        dot_size_px = max(style.dot_size_px * scale, min(style.dot_size_px, _SMALLEST_DOT_PX))
        style = replace(style, dot_size_px=dot_size_px)
    if style.keypoints_only:
        image[:] = 0
    overlay = Overlay(body_parts, style)
    *past, poses = _scaled(picture.poses, scale)
    for earlier in past:
        overlay.follow(earlier)
    overlay.draw(image, poses)
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()


def _scaled(poses: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Scale coordinates about the corner of the frame: pixels have their place at the middle."""
    scaled = poses.copy()
    scaled[..., :2] = (poses[..., :2] + 0.5) * scale - 0.5 if scale < 1 else poses[..., :2]
    return scaled
