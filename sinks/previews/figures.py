"""The previews' figures, laid out as DeepLabCut's ``plot_trajectories`` lays them out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sinks.plain_matplotlib import color_map_of
from sinks.previews.reductions import TrajectoryMap

_ALPHA = 0.7
_OPAQUE_VISITS = 4
"""This many see-through dots on one place look opaque."""
_LINE_WIDTH = 1.0
_DPI = 100
_MOST_VECTOR_POINTS = 50_000
"""Lines of more points become pixels: an SVG has some 25 bytes a point, and stays under 2 MB."""
_RASTER_DPI = 150


class Figures:
    """Figures of body parts, each in its color of a color map."""

    def __init__(self, body_parts: Sequence[str], color_map: str) -> None:
        self._body_parts = body_parts
        self._color_map = color_map_of(color_map)
        colors = self._color_map.resampled(len(body_parts))
        self._colors = [colors(number) for number in range(len(body_parts))]

    def draw_lines(
        self,
        path: Path,
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
        frame_indices, values
            float64, shapes (points,) and (points, body parts × styles): points of the lines,
            those of one body part next to each other.
        label
            What the values are.
        styles
            Line style of each of a body part's lines.
        """
        rasterized = values.size > _MOST_VECTOR_POINTS
        dpi = _RASTER_DPI if rasterized else _DPI
        with self._figure(path, (10, 3), "Frame Index", label, dpi) as axes:
            for line in range(values.shape[1]):
                axes.plot(
                    frame_indices,
                    values[:, line],
                    styles[line % len(styles)],
                    color=self._colors[line // len(styles)],
                    linewidth=_LINE_WIDTH,
                    alpha=_ALPHA,
                    rasterized=rasterized,
                )

    def draw_histogram(
        self, path: Path, edges: NDArray[np.float64], counts: NDArray[np.int64]
    ) -> None:
        """Draw steps of x and y of each body part, counts int64, shape (2 × body parts, bins)."""
        with self._figure(path, (6.4, 4.8), "DeltaX and DeltaY", "Count") as axes:
            for line in range(len(counts)):
                color = self._colors[line // 2]
                axes.stairs(counts[line], edges, color=color, linewidth=_LINE_WIDTH)
            axes.set_ylim(0)

    def draw_trajectory(self, path: Path, trajectory: TrajectoryMap) -> None:
        """Draw a dot where each body part was, as dense as dots of all frames would make it."""
        size, labels = (8, 6), ("X position in pixels", "Y position in pixels")
        with self._figure(path, size, *labels) as axes:
            axes.invert_yaxis()
            for body_part, color in enumerate(self._colors):
                positions, visits = trajectory.points(body_part)
                visits = np.minimum(visits, _OPAQUE_VISITS)
                for count in np.unique(visits):
                    dots, alpha = positions[visits == count].T, 1 - (1 - _ALPHA) ** int(count)
                    axes.plot(*dots, ".", color=color, alpha=alpha)

    @contextmanager
    def _figure(
        self, path: Path, size_inches: tuple[float, float], x: str, y: str, dpi: int = _DPI
    ) -> Iterator[Axes]:
        """Give axes with labels to draw on; add a bar of the body parts' colors, and save them.

        The same poses give the same bytes. The figure is drawn in memory first: the libraries do
        not tell why a file cannot be written.
        """
        figure = Figure(figsize=size_inches)
        axes = figure.add_subplot()
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        yield axes
        numbers = range(len(self._body_parts))
        scale = ScalarMappable(Normalize(0, max(1, len(numbers) - 1)), self._color_map)
        bar = figure.colorbar(scale, ax=axes, ticks=list(numbers))
        bar.set_ticklabels(self._body_parts)
        kind = path.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        picture = BytesIO()
        figure.savefig(picture, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
        path.write_bytes(picture.getbuffer())
