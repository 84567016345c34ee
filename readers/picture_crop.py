"""Cut a picture before its colours are converted, so that only what is kept is converted."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import av
from av.filter import Graph

from readers.crop import CropRectangle

_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
"""Of these, FFmpeg converts each block of 2 × 2 pixels by itself: neighbours do not matter."""


class PictureCrop:
    """Cuts a rectangle, or a little more, out of decoded pictures without copying them.

    Subsampled colours belong to blocks of 2 × 2 pixels, and only pictures of even height are
    converted block by block; so edges are moved outwards to even numbers. Where that is not
    possible, or colours mix across blocks, pictures stay whole. The pixels do not depend on any
    of this. One belongs to one movie: FFmpeg's filter is kept between pictures of a kind.
    """

    def __init__(self, crop: CropRectangle) -> None:
        self._crop = crop
        self._kind: tuple[str, int, int] | None = None
        self._graph: Graph | None = None
        self.rest = crop

    def cut(self, picture: av.VideoFrame) -> av.VideoFrame:
        """Cut a picture; `rest` is then where the rectangle lies in what is returned."""
        kind = (picture.format.name, picture.width, picture.height)
        if kind != self._kind:
            self._prepare(*kind)
        if self._graph is None:
            return picture
        self._graph.push(picture)
        return cast(av.VideoFrame, self._graph.pull())

    def _prepare(self, pixel_format: str, width: int, height: int) -> None:
        self._kind = (pixel_format, width, height)
        self._graph, self.rest = None, self._crop
        wide = _even_edges(self._crop)
        fits = wide.left + wide.width <= width and wide.top + wide.height <= height
        if not fits or height % 2 or pixel_format not in _FORMATS:
            return
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=width,
            height=height,
            format=av.VideoFormat(pixel_format, width, height),
            time_base=Fraction(1, 1000),
        )
        cut = self._graph.add("crop", f"{wide.width}:{wide.height}:{wide.left}:{wide.top}")
        sink = self._graph.add("buffersink")
        source.link_to(cut)
        cut.link_to(sink)
        self._graph.configure()
        self.rest = CropRectangle(
            self._crop.left - wide.left,
            self._crop.top - wide.top,
            self._crop.width,
            self._crop.height,
        )


def _even_edges(crop: CropRectangle) -> CropRectangle:
    left, top = crop.left - crop.left % 2, crop.top - crop.top % 2
    right, bottom = crop.left + crop.width, crop.top + crop.height
    return CropRectangle(left, top, right + right % 2 - left, bottom + bottom % 2 - top)
