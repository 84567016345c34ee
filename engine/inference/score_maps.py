"""From score maps to poses: what the last layers of a ``TFGPUinference=True`` export do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def poses_from_score_maps(
    scores: NDArray[np.float32],
    offsets: NDArray[np.float32],
    *,
    stride_px: float,
    locref_stdev_px: float,
) -> NDArray[np.float64]:
    """Find each body part's highest score and refine its position (DeepLabCut's arg-max).

    Position = cell index × stride + stride / 2 + offset × ``locref_stdev``; the first of equal
    scores wins.

    Parameters
    ----------
    scores
        float32, shape (frames, rows, columns, body parts): likelihoods, 0-1.
    offsets
        float32, shape (frames, rows, columns, 2 × body parts): x and y of each body part.
    stride_px
        Pixels per cell.
    locref_stdev_px
        Scale of the offsets.

    Returns
    -------
    float64, shape (frames, body parts, 3)
        x, y in pixels, likelihood.
    """
    frames, rows, columns, parts = scores.shape
    cells = scores.reshape(frames, rows * columns, parts)
    best = cells.argmax(axis=1)
    frame = np.arange(frames)[:, np.newaxis]
    part = np.arange(parts)
    refinement = offsets.reshape(frames, rows * columns, parts, 2)[frame, best, part]
    position = np.stack([best % columns, best // columns], axis=-1)
    poses = np.empty((frames, parts, 3))
    poses[..., :2] = (
        position * stride_px + 0.5 * stride_px + refinement * np.float32(locref_stdev_px)
    )
    poses[..., 2] = cells[frame, best, part]
    return poses


def poses_from_rows(rows: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """Order a pose graph's output, float32 (frames × body parts, 3) of (y, x, likelihood)."""
    return rows.reshape(frames, -1, 3)[..., [1, 0, 2]].astype(np.float64)
