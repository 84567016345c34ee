"""Draw what matplotlib's settings could change, in a program that has not imported it."""

from pathlib import Path

import numpy as np

from sinks import PreviewPaths, PreviewSink
from sinks.plain_matplotlib import body_part_colors
from tests.batches import pose_batches


def draw(folder: Path | str) -> None:
    """Draw the four pictures, and note the colours of the labelled movie."""
    names = ("hist.svg", "likelihood.svg", "plot.svg", "trajectory.png")
    poses = np.random.default_rng(0).random((20, 3, 3)) * (640, 480, 1)
    with PreviewSink(
        PreviewPaths(*(Path(folder) / name for name in names)),
        body_parts=["nose", "$x_1$", "鼻"],
        p_cutoff=0.1,
        color_map="rainbow",
        frame_width=640,
        frame_height=480,
    ) as previews:
        for batch in pose_batches(poses, 20):
            previews.write(batch)
    (Path(folder) / "colors").write_bytes(body_part_colors("rainbow", 5).tobytes())
