"""The path of the mouse: smooth and closed, looked up by the distance walked along it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_TABLE_POINTS = 2048
NUM_CANDIDATES = 300
FREQUENCIES = np.arange(1, 6)


class WalkingPath:
    """A closed curve inside a rectangle that never bends more sharply than a mouse can.

    The curve is a sum of a few cosines in x and in y. It is tabulated once at equal distances,
    so that any distance, however far, is found in constant time and memory.

    Parameters
    ----------
    rng
        Draws the curve.
    left, top, right, bottom
        The rectangle in pixels that the curve fills.
    min_radius_px
        The smallest radius of curvature wanted. Of a fixed number of draws the first that keeps
        to it is taken, or else the one that comes nearest.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        left: float,
        top: float,
        right: float,
        bottom: float,
        min_radius_px: float,
    ) -> None:
        x, y = _gentle_curve(rng, (left, top, right, bottom), min_radius_px)
        step_px = np.hypot(np.diff(x), np.diff(y))
        distance = np.concatenate([[0.0], np.cumsum(step_px)])
        self.length_px = float(distance[-1])
        self._distance = np.linspace(0.0, self.length_px, NUM_TABLE_POINTS)
        self._x = np.interp(self._distance, distance, x)
        self._y = np.interp(self._distance, distance, y)
        heading = np.unwrap(np.arctan2(np.gradient(self._y), np.gradient(self._x)))
        self._heading = heading
        self._turn_per_lap = 2 * np.pi * round((heading[-1] - heading[0]) / (2 * np.pi))

    def points(self, distance_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions, shape (n, 2) as x and y in pixels, at distances of shape (n,)."""
        around = np.mod(distance_px, self.length_px)
        x = np.interp(around, self._distance, self._x)
        y = np.interp(around, self._distance, self._y)
        return np.stack([x, y], axis=-1)

    def headings(self, distance_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Directions of travel in radians, continuous along the path, at distances (n,)."""
        laps, around = np.divmod(distance_px, self.length_px)
        heading = np.interp(around, self._distance, self._heading)
        return np.asarray(heading + laps * self._turn_per_lap)


def _gentle_curve(
    rng: np.random.Generator, rectangle: tuple[float, float, float, float], min_radius_px: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    coarse, fine = _waves(NUM_TABLE_POINTS // 4), _waves(NUM_TABLE_POINTS)
    best_radius, best = -1.0, np.zeros((2, len(fine)))
    for _ in range(NUM_CANDIDATES):
        weights = rng.standard_normal((2, len(coarse))) / np.tile(FREQUENCIES**1.75, 2)
        radius = _min_radius(*_curve(weights, coarse, rectangle))
        if radius > best_radius:
            best_radius, best = radius, weights
        if radius >= min_radius_px:
            break
    return _curve(best, fine, rectangle)


def _waves(num_points: int) -> NDArray[np.float64]:
    """Sines and cosines over one round, shape (2 * frequencies, points)."""
    angles = np.outer(FREQUENCIES, np.linspace(0.0, 2 * np.pi, num_points))
    return np.concatenate([np.cos(angles), np.sin(angles)])


def _curve(
    weights: NDArray[np.float64],
    waves: NDArray[np.float64],
    rectangle: tuple[float, float, float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weigh the waves to x and y, and fit them to the rectangle exactly."""
    left, top, right, bottom = rectangle
    # Not a matrix product: it is too small to be worth waking the threads of a BLAS.
    x, y = np.einsum("ck,kp->cp", weights, waves)
    x = np.interp(x, [x.min(), x.max()], [left, right])
    y = np.interp(y, [y.min(), y.max()], [top, bottom])
    return x, y


def _min_radius(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    dx, dy = np.gradient(x), np.gradient(y)
    bend = np.abs(dx * np.gradient(dy) - dy * np.gradient(dx))
    return float(np.min((dx**2 + dy**2) ** 1.5 / (bend + 1e-12)))
