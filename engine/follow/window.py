"""Windows of a picture, and the grid on which they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.inference import CutSides

Size = tuple[int, int]
"""Width and height in pixels."""
_LARGEST_WASTE = 2
"""The most times that a window may be as large as needed, to save one more size."""
_LARGEST_SHARE = 0.75
"""Of the frame's area: a larger window spares too little for what it may miss."""


class Window(NamedTuple):
    """A part of a picture: its first column and row, and its size, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.width, self.height

    def cut(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut it out of images, shape (frames, height, width, 3), as a view."""
        bottom, right = self.top + self.height, self.left + self.width
        return images[:, self.top : bottom, self.left : right]


class Region(NamedTuple):
    """The place of a thing, or all places where it may be, in pixels of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, points: NDArray[np.float64]) -> bool:
        """Tell whether all points, shape (points, 2) of x and y, are in it."""
        return bool(np.all((points >= self[:2]) & (points <= self[2:])))

    def widened(self, margin_px: float) -> Region:
        """Add a margin on every side."""
        left, top, right, bottom = self
        return Region(left - margin_px, top - margin_px, right + margin_px, bottom + margin_px)

    def within(self, width: int, height: int) -> Region:
        """Leave out what is outside a picture."""
        left, right = min(max(self.left, 0), width - 1), max(min(self.right, width - 1), 0)
        top, bottom = min(max(self.top, 0), height - 1), max(min(self.bottom, height - 1), 0)
        return Region(left, top, right, bottom)


ANYWHERE = Region(-np.inf, -np.inf, np.inf, np.inf)


def around(*regions: Region) -> Region:
    """Give the smallest region that holds all."""
    lefts, tops, rights, bottoms = zip(*regions, strict=True)
    return Region(min(lefts), min(tops), max(rights), max(bottoms))


@dataclass(frozen=True)
class Grid:
    """The places that windows of a picture may have, so that a network sees the same in both.

    Their corners are multiples of the network's stride, and their sides leave the same rest by it
    as the picture's: layers of even and odd sizes are padded differently. A point's distance from
    the cells around it is then the same in window and picture.
    """

    width: int
    height: int
    stride_px: int
    """The network's coarsest stride."""
    side_step: int
    """In strides, from one length of a window's sides to the next: windows have few different
    sizes, since a runtime has to get ready for each."""
    most_sizes: int
    """As many as a runtime stays ready for at a time."""

    def window(self, region: Region, ready: Sequence[Size]) -> Window | None:
        """Place a window around a region; None where it would be nearly as large as the picture.

        It holds what of the region is inside the picture. If the runtime is `ready` for
        `most_sizes` sizes, one of them is taken as long as any is large enough, and not more than
        twice as large.
        """
        inside = region.within(self.width, self.height)
        left, width = self._side(inside.left, inside.right, self.width)
        top, height = self._side(inside.top, inside.bottom, self.height)
        needed = width, height
        large_enough = [size for size in ready if size[0] >= width and size[1] >= height]
        size = min(large_enough, key=math.prod, default=needed)
        most = _LARGEST_WASTE if len(ready) >= self.most_sizes else 1
        if math.prod(size) > most * math.prod(needed):
            size = needed
        if math.prod(size) > _LARGEST_SHARE * self.width * self.height:
            return None
        left = self._centred(left, inside.right, size[0], self.width)
        top = self._centred(top, inside.bottom, size[1], self.height)
        return Window(left, top, *size)

    def tight(self, region: Region, size: Size, *, at_end: bool) -> Window:
        """Place a window so that it begins, or ends, as near to a region as it can.

        It holds what of the region is inside the picture. The sides of its `size` are those that
        `window` gave, for this region or a larger. With `at_end` it ends near the region's right
        and bottom, otherwise it begins near its left and top.
        """
        inside = region.within(self.width, self.height)
        (width, height), stride = size, self.stride_px
        if at_end:
            left = -(-(int(np.ceil(inside.right)) + 1 - width) // stride) * stride
            top = -(-(int(np.ceil(inside.bottom)) + 1 - height) // stride) * stride
        else:
            left, top = (int(start // stride) * stride for start in (inside.left, inside.top))
        left, top = min(max(left, 0), self.width - width), min(max(top, 0), self.height - height)
        return Window(left, top, width, height)

    def trusted(self, window: Window, margin_px: float) -> Region:
        """Tell where in a window the network sees what it sees in the picture.

        That is `margin_px` away from the window's edges, and up to those of the picture.
        """
        cut = self.cut_sides(window)
        return Region(
            window.left + margin_px if cut.left else -np.inf,
            window.top + margin_px if cut.top else -np.inf,
            window.left + window.width - 1 - margin_px if cut.right else np.inf,
            window.top + window.height - 1 - margin_px if cut.bottom else np.inf,
        )

    def cut_sides(self, window: Window) -> CutSides:
        """Tell which of a window's sides are not the picture's own."""
        return CutSides(
            left=window.left > 0,
            top=window.top > 0,
            right=window.left + window.width < self.width,
            bottom=window.top + window.height < self.height,
        )

    def _side(self, start: float, end: float, length: int) -> tuple[int, int]:
        """Find the first pixel, and the shortest side that reaches from there to the end."""
        first = int(start // self.stride_px) * self.stride_px
        needed = int(np.ceil(end)) + 1 - first
        step = self.side_step * self.stride_px
        rest = length % self.stride_px
        side = rest + max(1, -(-(needed - rest) // step)) * step
        return (first, side) if side < length else (0, length)

    def _centred(self, first: int, end: float, side: int, length: int) -> int:
        """Move a side so that it is as far beyond the start as beyond the end."""
        if side == length:
            return 0
        spare = first + side - (int(np.ceil(end)) + 1)
        place = first - round(spare / (2 * self.stride_px)) * self.stride_px
        return min(max(place, 0), length - side)
