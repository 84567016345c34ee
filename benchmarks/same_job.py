"""The check that DeepLabCut and posestream did the same job: all outputs, and the same poses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.processes import in_a_child

LIKELY = 0.1
LARGEST_DIFFERENCE_PX = 0.01
"""Poses are the same if no point likelier than `LIKELY` is farther apart than this in x or y."""

SIDES = {"deeplabcut": "DeepLabCut", "posestream": "posestream"}
_POSES = {"deeplabcut": "*_filtered.h5", "posestream": "dlc_pose_estimates.0.h5"}
_OTHER_OUTPUTS = {
    "deeplabcut": (
        "*_labeled.mp4",
        "hist_filtered.png",
        "plot_filtered.png",
        "plot-likelihood_filtered.png",
        "trajectory_filtered.png",
    ),
    "posestream": (
        "dlc_annotations.parquet",
        "dlc_labeled_movie.0.mp4",
        "hist.0.svg",
        "plot.0.svg",
        "plot-likelihood.0.svg",
        "trajectory.0.png",
        "output_metadata.json",
    ),
}


class DifferentResultsError(Exception):
    """The two sides did not do the same job, so their times cannot be compared."""


def check_outputs(side: str, directory: Path) -> None:
    """Raise `DifferentResultsError` unless a side has written everything it should."""
    for pattern in (_POSES[side], *_OTHER_OUTPUTS[side]):
        if not any(path.stat().st_size for path in directory.rglob(pattern)):
            raise DifferentResultsError(f"{SIDES[side]} wrote no {pattern}")


def difference_px(outputs: Mapping[str, Path]) -> float:
    """Compare the poses in both output directories; see `LARGEST_DIFFERENCE_PX`.

    Raises
    ------
    DifferentResultsError
        If they are farther apart.
    """
    poses = [next(outputs[side].glob(_POSES[side])) for side in SIDES]
    apart_px = in_a_child(_largest_difference_px, *poses)
    if not apart_px <= LARGEST_DIFFERENCE_PX:  # NaN is not, either
        raise DifferentResultsError(
            f"the poses are up to {apart_px:.3g} px apart, more than "
            f"{LARGEST_DIFFERENCE_PX} px: times of different results cannot be compared"
        )
    return apart_px


def _largest_difference_px(theirs: Path, ours: Path) -> float:
    """Compare two .h5 files in x and y of the points that one of them finds likely."""
    import numpy as np
    import pandas as pd

    poses = [np.asarray(pd.read_hdf(path)) for path in (theirs, ours)]
    if poses[0].shape != poses[1].shape:
        shapes = " and ".join(f"{len(one)} × {one.shape[1]}" for one in poses)
        raise DifferentResultsError(f"tables of poses have different sizes: {shapes}")
    a, b = (one.reshape(len(one), -1, 3) for one in poses)
    likely = (a[..., 2] > LIKELY) | (b[..., 2] > LIKELY)
    apart_px = np.abs(a - b)[likely][:, :2]
    return float(apart_px.max()) if apart_px.size else float("nan")
