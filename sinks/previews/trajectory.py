"""Where body parts have been, in as much memory as a picture needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_EXACT_FRAMES = 4096
CELLS_PER_SIDE = 384
MARGIN = 0.25


class TrajectoryMap:
    """Keeps the positions of body parts: all of them at first, later the cells they fell into.

    Up to `NUM_EXACT_FRAMES` frames positions are kept as they are. Beyond, the frame and a margin
    of a quarter around it are divided into 384 × 384 cells, and a cell keeps how often each body
    part was in it (up to 255); a position further out counts for the nearest cell.

    Parameters
    ----------
    num_body_parts
        How many body parts there are.
    frame_width, frame_height
        Size in pixels of the frames that positions refer to.
    """

    def __init__(self, num_body_parts: int, frame_width: int, frame_height: int) -> None:
        size = np.array([frame_width, frame_height], float)
        self._origin = -MARGIN * size
        self._cell_size = (1 + 2 * MARGIN) * size / CELLS_PER_SIDE
        self._exact: list[NDArray[np.float64]] = []
        self._num_frames = 0
        self._visits: NDArray[np.uint8] | None = None
        self._num_body_parts = num_body_parts

    def add(self, positions: NDArray[np.float64]) -> None:
        """Add the next frames' positions, float64, shape (frames, body parts, 2); NaN for none."""
        self._num_frames += len(positions)
        if self._visits is None and self._num_frames <= NUM_EXACT_FRAMES:
            self._exact.append(positions)
            return
        if self._visits is None:
            shape = (self._num_body_parts, CELLS_PER_SIDE, CELLS_PER_SIDE)
            self._visits = np.zeros(shape, np.uint8)
            for earlier in self._exact:
                self._count(self._visits, earlier)
            self._exact = []
        self._count(self._visits, positions)

    def _count(self, visits: NDArray[np.uint8], positions: NDArray[np.float64]) -> None:
        there = np.isfinite(positions).all(axis=-1)
        cells = (positions[there] - self._origin) // self._cell_size
        column, row = np.clip(cells, 0, CELLS_PER_SIDE - 1).astype(np.intp).T
        part = np.nonzero(there)[1]
        flat, added = np.unique(
            np.ravel_multi_index((part, row, column), visits.shape), return_counts=True
        )
        total = visits.flat[flat].astype(np.int64) + added
        visits.flat[flat] = np.minimum(total, 255).astype(np.uint8)

    @property
    def is_exact(self) -> bool:
        """Whether all positions are still kept."""
        return self._visits is None

    def points(self, body_part: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Points to draw for one body part.

        Returns
        -------
        positions : float64, shape (points, 2)
            x and y in pixels: all positions, or the middles of the cells it was in.
        visits : int64, shape (points,)
            How many frames each point stands for, at most 255.
        """
        if self._visits is None:
            positions = np.concatenate([np.empty((0, 2)), *(p[:, body_part] for p in self._exact)])
            positions = positions[np.isfinite(positions).all(axis=1)]
            return positions, np.ones(len(positions), np.int64)
        row, column = np.nonzero(self._visits[body_part])
        middles = self._origin + (np.stack([column, row], axis=1) + 0.5) * self._cell_size
        return middles, self._visits[body_part, row, column].astype(np.int64)
