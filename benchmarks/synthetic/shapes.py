"""Soft-edged shapes and smooth random fields: what pictures are painted from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Patch:
    """A rectangle of a picture: pixels `left` to `right` and `top` to `bottom`, ends excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(
        cls, points: NDArray[np.float64], margin_px: float, width: int, height: int
    ) -> Patch:
        """Take the pixels within `margin_px` of the box around `points` (n, 2), in the picture."""
        low = np.floor(points.min(axis=0) - margin_px).astype(int)
        high = np.ceil(points.max(axis=0) + margin_px).astype(int) + 1
        left, right = np.clip([low[0], high[0]], 0, width)
        top, bottom = np.clip([low[1], high[1]], 0, height)
        return cls(int(left), int(top), int(right), int(bottom))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of this patch in an image."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, outer: Patch) -> tuple[slice, slice]:
        """Index of this patch in an array that holds just the `outer` patch."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def grid(self) -> tuple[Image, Image]:
        """Coordinates of the pixel centres: x of shape (1, width), y of shape (height, 1)."""
        x = np.arange(self.left, self.right, dtype=np.float32)[None, :]
        y = np.arange(self.top, self.bottom, dtype=np.float32)[:, None]
        return x, y


def disks(patch: Patch, centres: NDArray[np.float64], radii: NDArray[np.float64]) -> Image:
    """Depth in pixels inside the union of disks, negative outside; centres (n, 2), radii (n,)."""
    x, y = patch.grid()
    depth = np.full((y.size, x.size), -np.inf, dtype=np.float32)
    for (centre_x, centre_y), radius in zip(centres, radii, strict=True):
        dx, dy = x - np.float32(centre_x), y - np.float32(centre_y)
        np.maximum(depth, np.float32(radius) - np.sqrt(dx * dx + dy * dy), out=depth)
    return depth


def capsules(
    patch: Patch,
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    radii: NDArray[np.float64],
) -> Image:
    """Depth in pixels inside the union of round-ended bars, negative outside.

    Starts and ends have shape (n, 2); radii (n, 2), at the start and at the end of each bar.
    """
    x, y = patch.grid()
    bars = np.concatenate([starts, ends - starts, radii], axis=1).astype(np.float32)
    start_x, start_y, bar_x, bar_y, radius, end_radius = bars.T[:, :, None, None]
    dx, dy = x - start_x, y - start_y
    part = (dx * bar_x + dy * bar_y) / (bar_x**2 + bar_y**2 + np.float32(1e-6))
    np.clip(part, 0, 1, out=part)
    off_x, off_y = dx - part * bar_x, dy - part * bar_y
    depth = radius + part * (end_radius - radius) - np.sqrt(off_x**2 + off_y**2)
    return np.asarray(depth.max(axis=0))


def coverage(depth: Image, softness_px: float) -> Image:
    """Opacity, 0-1, of a shape of the given depth whose edge is `softness_px` wide."""
    return np.clip(depth / np.float32(softness_px) + np.float32(0.5), 0, 1)


def smooth_noise(
    rng: np.random.Generator, height: int, width: int, cells_down: int, cells_across: int
) -> Image:
    """Random hills of about unit height, shape (height, width), with so many cells each way."""
    knots = rng.standard_normal((cells_down + 3, cells_across + 3)).astype(np.float32)
    down = _spline_weights(height, cells_down)
    across = _spline_weights(width, cells_across)
    return np.asarray(1.5 * down @ knots @ across.T, dtype=np.float32)


def _spline_weights(size: int, cells: int) -> Image:
    """Weights of the knots at each pixel, shape (size, cells + 3): the cubic B-spline."""
    position = np.linspace(0, cells, size)[:, None] - (np.arange(cells + 3)[None, :] - 1)
    away = np.abs(position)
    near = 2 / 3 - away**2 + away**3 / 2
    far = np.clip(2 - away, 0, None) ** 3 / 6
    return np.where(away < 1, near, far).astype(np.float32)
