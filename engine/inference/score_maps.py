"""The poses in a graph's outputs: rows of poses, or score maps as DeepLabCut reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.inference.deeplabcut import DeepLabCutExport


def poses_from_outputs(
    export: DeepLabCutExport, outputs: Sequence[NDArray[np.float32]], num_images: int
) -> NDArray[np.float64]:
    """Turn the outputs of an export's graph into poses, float64 (images, body parts, 3)."""
    if export.predicts_poses:
        return poses_from_rows(outputs[0], num_images)
    return poses_from_score_maps(
        *outputs, stride_px=export.stride_px, locref_stdev_px=export.locref_stdev_px
    )


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
