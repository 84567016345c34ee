"""The four pictures of a movie's poses, for a first look."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sinks.base import PoseBatch, ResourceHolder
from sinks.files import output_errors, whole_file
from sinks.plain_matplotlib import own_settings
from sinks.previews.reductions import LineReducer, StepHistogram, TrajectoryMap


class PreviewPaths(NamedTuple):
    """The paths of the four pictures."""

    histogram: Path
    """Frame-to-frame differences of x and y, .svg."""
    likelihood: Path
    """Likelihood over time, .svg."""
    coordinates: Path
    """x and y over time, .svg."""
    trajectory: Path
    """y against x, .png."""


class PreviewSink(ResourceHolder):
    """Draws the previews that DeepLabCut's ``plot_trajectories`` draws, for movies of any length.

    For short movies (2,048 frames for lines, 4,096 for the others) the pictures show every value,
    as DeepLabCut's do; longer ones are reduced. Memory and files do not grow with the movie.

    Parameters
    ----------
    paths
        The files; none appears before all are drawn.
    body_parts
        Names in the order of the poses.
    p_cutoff
        Positions of a lower likelihood are left out of lines and trajectory, 0–1.
    color_map
        Name of a matplotlib color map.
    frame_width, frame_height
        Size in pixels of the frames that the poses refer to.

    Raises
    ------
    OutputError
        If a picture cannot be written.
    """

    def __init__(
        self,
        paths: PreviewPaths,
        *,
        body_parts: Sequence[str],
        p_cutoff: float,
        color_map: str,
        frame_width: int,
        frame_height: int,
    ) -> None:
        self._paths = paths
        self._body_parts, self._color_map = body_parts, color_map
        self._p_cutoff = p_cutoff
        self._coordinates = LineReducer(2 * len(body_parts))
        self._likelihood = LineReducer(len(body_parts))
        self._steps = StepHistogram(2 * len(body_parts), float(max(frame_width, frame_height)))
        self._trajectory = TrajectoryMap(len(body_parts), frame_width, frame_height)

    def open(self, resources: ExitStack) -> None:
        """Prepare the files."""
        self._partial = PreviewPaths(
            *(resources.enter_context(whole_file(path)) for path in self._paths)
        )

    def write(self, batch: PoseBatch) -> None:
        """Take the next batch."""
        likelihood = batch.poses[..., 2]
        positions = batch.poses[..., :2].copy()
        positions[likelihood < self._p_cutoff] = np.nan
        self._coordinates.add(positions.reshape(len(batch), -1))
        self._likelihood.add(likelihood)
        # All steps: DeepLabCut masks unlikely ones, but numpy's histogram looks at no masks.
        all_positions = batch.poses[..., :2].reshape(len(batch), -1)
        self._steps.add(all_positions, np.fmax.reduce(batch.poses, axis=None))
        self._trajectory.add(positions)

    @own_settings()
    def finish(self) -> None:
        """Draw the pictures."""
        # Not before: it takes 0.2 s and 12 MiB, and neither the first pose nor the rest of the
        # run should wait for the one or hold the other.
        from sinks.previews.figures import Figures

        figures = Figures(self._body_parts, self._color_map)
        with output_errors(self._paths.histogram):
            figures.draw_histogram(self._partial.histogram, *self._steps.counts())
        with output_errors(self._paths.likelihood):
            label = "Likelihood (use to set pcutoff)"
            points = self._likelihood.points()
            figures.draw_lines(self._partial.likelihood, *points, label=label, styles=["-"])
        with output_errors(self._paths.coordinates):
            label = "X-(dashed) and Y- (solid) position in pixels"
            points = self._coordinates.points()
            figures.draw_lines(self._partial.coordinates, *points, label=label, styles=["--", "-"])
        with output_errors(self._paths.trajectory):
            figures.draw_trajectory(self._partial.trajectory, self._trajectory)
