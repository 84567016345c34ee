"""The four pictures, laid out as DeepLabCut's ``plot_trajectories`` lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sinks.previews.trajectory import TrajectoryMap

_ALPHA = 0.7
_LINE_WIDTH = 1.0
_DPI = 100
_MOST_VECTOR_POINTS = 50_000
"""Lines of more points become pixels: an SVG has some 25 bytes a point, and stays under 2 MB."""
_RASTER_DPI = 200


@dataclass(frozen=True)
class BodyPartColors:
    """Body parts, each in its color of a color map."""

    body_parts: Sequence[str]
    color_map: str

    def __getitem__(self, body_part: int) -> tuple[float, float, float, float]:
        """Color of a body part, RGBA."""
        colors = matplotlib.colormaps[self.color_map].resampled(len(self.body_parts))
        red, green, blue, alpha = colors(body_part)
        return red, green, blue, alpha

    def add_bar(self, figure: Figure, axes: Axes) -> None:
        """Add a bar that tells which color is whose."""
        last = max(1, len(self.body_parts) - 1)
        scale = ScalarMappable(Normalize(0, last), matplotlib.colormaps[self.color_map])
        bar = figure.colorbar(scale, ax=axes, ticks=list(range(len(self.body_parts))))
        bar.set_ticklabels([part.replace("$", r"\$") for part in self.body_parts])


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
    """Draw where each body part was: a dot for each frame, or the cells it was in."""
    figure, axes = _figure((8, 6), "X position in pixels", "Y position in pixels")
    axes.invert_yaxis()
    if trajectory.is_exact:
        for body_part in range(len(colors.body_parts)):
            axes.plot(
                *trajectory.positions(body_part).T, ".", color=colors[body_part], alpha=_ALPHA
            )
    else:
        _show_cells(axes, colors, trajectory)
    colors.add_bar(figure, axes)
    _save(figure, path, dpi=_DPI)


def _show_cells(axes: Axes, colors: BodyPartColors, trajectory: TrajectoryMap) -> None:
    """Show cells as dots would look: the more see-through dots on one place, the denser."""
    picture = np.ones((*trajectory.visits(0).shape, 3))
    for body_part in range(len(colors.body_parts)):
        cover = 1 - (1 - _ALPHA) ** trajectory.visits(body_part).astype(float)
        cover = _widened(cover)[..., np.newaxis]
        picture = picture * (1 - cover) + cover * np.array(colors[body_part][:3])
    left, right, bottom, top = trajectory.extent
    axes.imshow(picture, extent=(left, right, bottom, top), aspect="auto")
    rows, columns = np.nonzero((picture < 1).any(axis=-1))
    if len(rows):
        height, width = picture.shape[:2]
        axes.set_xlim(
            left + (right - left) * columns.min() / width,
            left + (right - left) * (columns.max() + 1) / width,
        )
        axes.set_ylim(
            top + (bottom - top) * (rows.max() + 1) / height,
            top + (bottom - top) * rows.min() / height,
        )


def _widened(cover: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let each cell cover its four neighbours too, as a dot is wider than a cell."""
    padded = np.pad(cover, 1)
    neighbours = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    widened: NDArray[np.float64] = np.maximum.reduce([cover, *neighbours])
    return widened


def _figure(size_inches: tuple[float, float], x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size_inches)
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes


def _save(figure: Figure, path: Path, *, dpi: int) -> None:
    """Save so that the same poses give the same bytes."""
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "posestream"}):
        figure.savefig(path, dpi=dpi, bbox_inches="tight", metadata=metadata)
