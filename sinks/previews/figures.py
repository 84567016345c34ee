"""The previews' figures, laid out as DeepLabCut's ``plot_trajectories`` lays them out."""

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

from sinks.plain_matplotlib import color_map_of
from sinks.previews.reductions import TrajectoryMap

_ALPHA = 0.7
_OPAQUE_VISITS = 4
"""So many see-through dots on one place let nothing through that could be seen."""
_LINE_WIDTH = 1.0
_DPI = 100
_MOST_VECTOR_POINTS = 50_000
"""Lines of more points become pixels: an SVG has some 25 bytes a point, and stays under 2 MB."""
_RASTER_DPI = 150


@dataclass(frozen=True)
class Figures:
    """Figures of body parts, each in its color of a color map."""

    body_parts: Sequence[str]
    color_map: str

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
        figure, axes = _figure((10, 3), "Frame Index", label)
        rasterized = values.size > _MOST_VECTOR_POINTS
        for line in range(values.shape[1]):
            axes.plot(
                frame_indices,
                values[:, line],
                styles[line % len(styles)],
                color=self._color(line // len(styles)),
                linewidth=_LINE_WIDTH,
                alpha=_ALPHA,
                rasterized=rasterized,
            )
        self._save(figure, axes, path, dpi=_RASTER_DPI if rasterized else _DPI)

    def draw_histogram(
        self, path: Path, edges: NDArray[np.float64], counts: NDArray[np.int64]
    ) -> None:
        """Draw steps of x and y of each body part, counts int64, shape (2 × body parts, bins)."""
        figure, axes = _figure((6.4, 4.8), "DeltaX and DeltaY", "Count")
        for line in range(len(counts)):
            color = self._color(line // 2)
            axes.stairs(counts[line], edges, color=color, linewidth=_LINE_WIDTH)
        axes.set_ylim(0)
        self._save(figure, axes, path)

    def draw_trajectory(self, path: Path, trajectory: TrajectoryMap) -> None:
        """Draw a dot where each body part was, as dense as dots of all frames would make it."""
        figure, axes = _figure((8, 6), "X position in pixels", "Y position in pixels")
        axes.invert_yaxis()
        for body_part in range(len(self.body_parts)):
            positions, visits = trajectory.points(body_part)
            visits = np.minimum(visits, _OPAQUE_VISITS)
            for count in np.unique(visits):
                dots, alpha = positions[visits == count].T, 1 - (1 - _ALPHA) ** int(count)
                axes.plot(*dots, ".", color=self._color(body_part), alpha=alpha)
        self._save(figure, axes, path)

    def _color(self, body_part: int) -> tuple[float, float, float, float]:
        colors = color_map_of(self.color_map).resampled(len(self.body_parts))
        red, green, blue, alpha = colors(body_part)
        return red, green, blue, alpha

    def _save(self, figure: Figure, axes: Axes, path: Path, *, dpi: int = _DPI) -> None:
        """Add a bar that tells which color is whose; the same poses give the same bytes.

        Drawn in memory first: of a file that cannot be written, the libraries do not tell why.
        """
        last = max(1, len(self.body_parts) - 1)
        scale = ScalarMappable(Normalize(0, last), color_map_of(self.color_map))
        bar = figure.colorbar(scale, ax=axes, ticks=list(range(len(self.body_parts))))
        bar.set_ticklabels(self.body_parts)
        kind = path.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        picture = BytesIO()
        figure.savefig(picture, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
        path.write_bytes(picture.getbuffer())


def _figure(size_inches: tuple[float, float], x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size_inches)
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes
