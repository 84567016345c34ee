"""Which part of a picture is cut out before its colours are converted, so that it costs less."""

from __future__ import annotations

import av

from readers.crop import CropRectangle

_IN_BLOCKS = frozenset({"yuv420p", "yuvj420p", "yuva420p", "yuv422p", "yuvj422p"})
"""Of these, FFmpeg converts each block of 2 × 2 pixels by itself, if their height is even."""


def are_converted_in_blocks(picture: av.VideoFrame) -> bool:
    """Tell whether colours do not depend on what lies outside a block of 2 × 2 pixels."""
    pixels = picture.format
    if pixels.name in _IN_BLOCKS:
        return picture.height % 2 == 0
    is_subsampled = (pixels.chroma_width(4), pixels.chroma_height(4)) != (4, 4)
    return not is_subsampled and not pixels.is_bayer


def with_whole_blocks(crop: CropRectangle, picture: av.VideoFrame) -> CropRectangle:
    """Move a rectangle's edges outwards, so that it holds whole blocks of 2 × 2 pixels."""
    left, top = crop.left - crop.left % 2, crop.top - crop.top % 2
    right, bottom = crop.left + crop.width, crop.top + crop.height
    width = min(right + right % 2, picture.width) - left
    return CropRectangle(left, top, width, min(bottom + bottom % 2, picture.height) - top)
