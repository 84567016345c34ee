"""The four pictures, laid out as DeepLabCut's ``plot_trajectories`` lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sinks.labelled_movie.colors import color_map_of
from sinks.previews.trajectory import TrajectoryMap

_ALPHA = 0.7
_OPAQUE_VISITS = 4
"""So many see-through dots on one place let nothing through that could be seen."""
_LINE_WIDTH = 1.0
_DPI = 100
_MOST_VECTOR_POINTS = 50_000
"""Lines of more points become pixels: an SVG has some 25 bytes a point, and stays under 2 MB."""
_RASTER_DPI = 150


@dataclass(frozen=True)
class BodyPartColors:
    """Body parts, each in its color of a color map."""

    body_parts: Sequence[str]
    color_map: str

    def __getitem__(self, body_part: int) -> tuple[float, float, float, float]:
        """Color of a body part, RGBA."""
        colors = color_map_of(self.color_map).resampled(len(self.body_parts))
        red, green, blue, alpha = colors(body_part)
        return red, green, blue, alpha

    def add_bar(self, figure: Figure, axes: Axes) -> None:
        """Add a bar that tells which color is whose."""
        last = max(1, len(self.body_parts) - 1)
        scale = ScalarMappable(Normalize(0, last), color_map_of(self.color_map))
        bar = figure.colorbar(scale, ax=axes, ticks=list(range(len(self.body_parts))))
        bar.set_ticklabels(self.body_parts)


def draw_lines(
    path: Path,
    colors: BodyPartColors,
    frame_indices: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    label: str,
    styles: Sequence[str],
) -> None:
    """Draw lines over the frame index.

    Parameters
    ----------
    path
        The .svg file.
    colors
        Body parts and their colors.
    frame_indices, values
        float64, shapes (points,) and (points, body parts × styles): points of the lines, those
        of one body part next to each other.
    label
        What the values are.
    styles
        Line style of each of a body part's lines.
    """
    figure, axes = _figure((10, 3), "Frame Index", label)
    rasterized = values.size > _MOST_VECTOR_POINTS
    for line in range(values.shape[1]):
        axes.plot(
            frame_indices,
            values[:, line],
            styles[line % len(styles)],
            color=colors[line // len(styles)],
            linewidth=_LINE_WIDTH,
            alpha=_ALPHA,
            rasterized=rasterized,
        )
    colors.add_bar(figure, axes)
    _save(figure, path, dpi=_RASTER_DPI if rasterized else _DPI)


def draw_histogram(
    path: Path, colors: BodyPartColors, edges: NDArray[np.float64], counts: NDArray[np.int64]
) -> None:
    """Draw the steps of x and y of each body part, counts int64, shape (2 × body parts, bins)."""
    figure, axes = _figure((6.4, 4.8), "DeltaX and DeltaY", "Count")
    for line in range(len(counts)):
        axes.stairs(counts[line], edges, color=colors[line // 2], linewidth=_LINE_WIDTH)
    axes.set_ylim(0)
    colors.add_bar(figure, axes)
    _save(figure, path, dpi=_DPI)


def draw_trajectory(path: Path, colors: BodyPartColors, trajectory: TrajectoryMap) -> None:
    """Draw a dot where each body part was, as dense as the dots of all frames would make it."""
    figure, axes = _figure((8, 6), "X position in pixels", "Y position in pixels")
    axes.invert_yaxis()
    for body_part in range(len(colors.body_parts)):
        positions, visits = trajectory.points(body_part)
        visits = np.minimum(visits, _OPAQUE_VISITS)
        for count in np.unique(visits):
            axes.plot(
                *positions[visits == count].T,
                ".",
                color=colors[body_part],
                alpha=1 - (1 - _ALPHA) ** int(count),
            )
    colors.add_bar(figure, axes)
    _save(figure, path, dpi=_DPI)


def _figure(size_inches: tuple[float, float], x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size_inches)
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes


def _save(figure: Figure, path: Path, *, dpi: int) -> None:
    """Save so that the same poses give the same bytes.

    Drawn in memory first: of a file that cannot be written, the libraries do not tell why.
    """
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix[1:], dpi=dpi, bbox_inches="tight", metadata=metadata)
    path.write_bytes(picture.getbuffer())
