"""Windows of a picture, and the grid on which they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.inference import CutSides

_LARGEST_WASTE = 2
"""How many times as large as needed a window may be, so that there are only so many sizes."""
Size = tuple[int, int]
"""Width and height in pixels."""
_LARGEST_SHARE = 0.75
"""Of the frame's area: a larger window spares too little for what it may miss."""


@dataclass(frozen=True)
class Window:
    """A part of a picture.

    Attributes
    ----------
    left, top
        Its first column and row in pixels of the picture.
    width, height
        Its size in pixels.
    """

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


@dataclass(frozen=True)
class Region:
    """Where something is, or may be: left, top, right and bottom in pixels of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def longer_side(self) -> float:
        """In pixels."""
        return max(self.right - self.left, self.bottom - self.top)

    def holds(self, points: NDArray[np.float64]) -> bool:
        """Tell whether all points, shape (points, 2) of x and y, are in it."""
        low, high = (self.left, self.top), (self.right, self.bottom)
        return bool(np.all((points >= low) & (points <= high)))

    def widened(self, margin_px: float) -> Region:
        """Add a margin on every side."""
        return Region(
            self.left - margin_px,
            self.top - margin_px,
            self.right + margin_px,
            self.bottom + margin_px,
        )

    def within(self, width: int, height: int) -> Region:
        """Leave out what is outside a picture."""
        return Region(
            min(max(self.left, 0), width - 1),
            min(max(self.top, 0), height - 1),
            max(min(self.right, width - 1), 0),
            max(min(self.bottom, height - 1), 0),
        )


def around(*regions: Region) -> Region:
    """Give the smallest region that holds all."""
    return Region(
        min(region.left for region in regions),
        min(region.top for region in regions),
        max(region.right for region in regions),
        max(region.bottom for region in regions),
    )


@dataclass(frozen=True)
class Grid:
    """Where windows of a picture may lie, so that a network sees them as it sees the picture.

    Their corners are multiples of the network's stride, and their sides leave the same rest by it
    as the picture's: layers of even and odd sizes are padded differently. A point's distance from
    the cells around it is then the same in window and picture.

    Attributes
    ----------
    width, height
        Size of the picture in pixels.
    stride_px
        The network's coarsest stride.
    side_step
        In strides, from one length of a window's sides to the next: windows have few different
        sizes, since a runtime has to get ready for each.
    most_sizes
        As many as a runtime stays ready for at a time.
    """

    width: int
    height: int
    stride_px: int
    side_step: int
    most_sizes: int

    def window(self, region: Region, ready: Sequence[Size]) -> Window | None:
        """Place a window around a region.

        Parameters
        ----------
        region
            What it must hold; what is outside the picture does not count.
        ready
            Sizes, width and height, that the runtime is ready for. If they are `most_sizes`, one of
            them is taken as long as any is large enough, and not more than twice as large.

        Returns
        -------
        Window or None
            None where a window would be nearly as large as the picture.
        """
        inside = region.within(self.width, self.height)
        left, width = self._side(inside.left, inside.right, self.width)
        top, height = self._side(inside.top, inside.bottom, self.height)
        size = self._chosen((width, height), ready)
        if _area(size) > _LARGEST_SHARE * self.width * self.height:
            return None
        return Window(
            self._place(left, inside.right, size[0], self.width),
            self._place(top, inside.bottom, size[1], self.height),
            *size,
        )

    def tight(self, region: Region, size: Size, *, at_end: bool) -> Window:
        """Place a window so that it begins, or ends, as near to a region as it can.

        Parameters
        ----------
        region
            What it must hold; what is outside the picture does not count.
        size
            Its width and height in pixels: sides that `window` gave, for this region or a larger.
        at_end
            Whether it ends near the region's right and bottom, or begins near its left and top.
        """
        inside = region.within(self.width, self.height)
        (width, height), stride = size, self.stride_px
        if at_end:
            left = -(-(int(np.ceil(inside.right)) + 1 - width) // stride) * stride
            top = -(-(int(np.ceil(inside.bottom)) + 1 - height) // stride) * stride
        else:
            left, top = (int(start // stride) * stride for start in (inside.left, inside.top))
        return Window(
            min(max(left, 0), self.width - width), min(max(top, 0), self.height - height), *size
        )

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

    def _chosen(self, needed: Size, ready: Sequence[Size]) -> Size:
        large_enough = [size for size in ready if size[0] >= needed[0] and size[1] >= needed[1]]
        smallest = min(large_enough, key=_area, default=needed)
        most = _LARGEST_WASTE if len(ready) >= self.most_sizes else 1
        return smallest if _area(smallest) <= most * _area(needed) else needed

    def _side(self, start: float, end: float, length: int) -> tuple[int, int]:
        """Find the first pixel, and the shortest side that reaches from there to the end."""
        first = int(start // self.stride_px) * self.stride_px
        needed = int(np.ceil(end)) + 1 - first
        step = self.side_step * self.stride_px
        rest = length % self.stride_px
        side = rest + max(1, -(-(needed - rest) // step)) * step
        return (first, side) if side < length else (0, length)

    def _place(self, first: int, end: float, side: int, length: int) -> int:
        """Move a side so that it is as far beyond the start as beyond the end."""
        if side == length:
            return 0
        spare = first + side - (int(np.ceil(end)) + 1)
        place = first - round(spare / (2 * self.stride_px)) * self.stride_px
        return min(max(place, 0), length - side)


def _area(size: Size) -> int:
    return size[0] * size[1]
