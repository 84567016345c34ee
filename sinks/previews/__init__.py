"""The four pictures of a movie's poses, for a first look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sinks.base import PoseBatch, ResourceHolder
from sinks.files import output_errors, whole_file
from sinks.plain_matplotlib import color_map_of, own_settings
from sinks.previews.reductions import LineReducer, StepHistogram, TrajectoryMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Color = tuple[float, float, float, float]

_ALPHA = 0.7
_OPAQUE_VISITS = 4
"""This many see-through dots on one place look opaque."""
_LINE_WIDTH = 1.0
_DPI = 100
_MOST_VECTOR_POINTS = 50_000
"""Lines of more points become pixels: an SVG has some 25 bytes a point, and stays under 2 MB."""
_RASTER_DPI = 150


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

    No file appears before all are drawn; `OutputError` if one cannot be written. Positions of a
    likelihood below `p_cutoff`, 0–1, are left out of lines and trajectory. The color map is one of
    matplotlib's, and the size, in pixels, that of the frames that the poses refer to.
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
        """Draw the pictures, laid out as DeepLabCut lays them out."""
        edges, counts = self._steps.counts()
        with self._figure("histogram", (6.4, 4.8), "DeltaX and DeltaY", "Count") as (axes, colors):
            for number, line in enumerate(counts):
                axes.stairs(line, edges, color=colors[number // 2], linewidth=_LINE_WIDTH)
            axes.set_ylim(0)
        label = "Likelihood (use to set pcutoff)"
        self._draw_lines("likelihood", self._likelihood, label, ["-"])
        label = "X-(dashed) and Y- (solid) position in pixels"
        self._draw_lines("coordinates", self._coordinates, label, ["--", "-"])
        labels = "X position in pixels", "Y position in pixels"
        with self._figure("trajectory", (8, 6), *labels) as (axes, colors):
            axes.invert_yaxis()
            for body_part, color in enumerate(colors):
                positions, visits = self._trajectory.points(body_part)
                visits = np.minimum(visits, _OPAQUE_VISITS)
                for count in np.unique(visits):  # as dense as dots of all frames would make it
                    dots, alpha = positions[visits == count].T, 1 - (1 - _ALPHA) ** int(count)
                    axes.plot(*dots, ".", color=color, alpha=alpha)

    def _draw_lines(
        self, name: str, reduced: LineReducer, label: str, styles: Sequence[str]
    ) -> None:
        """Draw lines over the frame index, those of one body part next to each other."""
        frame_indices, values = reduced.points()
        is_long = values.size > _MOST_VECTOR_POINTS
        dpi = _RASTER_DPI if is_long else _DPI
        with self._figure(name, (10, 3), "Frame Index", label, dpi) as (axes, colors):
            for number, line in enumerate(values.T):
                axes.plot(
                    frame_indices,
                    line,
                    styles[number % len(styles)],
                    color=colors[number // len(styles)],
                    linewidth=_LINE_WIDTH,
                    alpha=_ALPHA,
                    rasterized=is_long,
                )

    @contextmanager
    def _figure(
        self, name: str, size_inches: tuple[float, float], x: str, y: str, dpi: int = _DPI
    ) -> Iterator[tuple[Axes, list[Color]]]:
        """Give axes with labels to draw on, and the body parts' colors; add their bar, and save.

        The same poses give the same bytes. The figure is drawn in memory first: the libraries do
        not tell why a file cannot be written.
        """
        # Not before: it takes 0.2 s and 12 MiB, and neither the first pose nor the rest of the
        # run should wait for the one or hold the other.
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.figure import Figure

        color_map, numbers = color_map_of(self._color_map), range(len(self._body_parts))
        colors = color_map.resampled(len(numbers))
        path: Path = getattr(self._partial, name)
        with output_errors(getattr(self._paths, name)):
            figure = Figure(figsize=size_inches)
            axes = figure.add_subplot()
            axes.set_xlabel(x)
            axes.set_ylabel(y)
            yield axes, [colors(number) for number in numbers]
            scale = ScalarMappable(Normalize(0, max(1, len(numbers) - 1)), color_map)
            bar = figure.colorbar(scale, ax=axes, ticks=list(numbers))
            bar.set_ticklabels(self._body_parts)
            kind = path.suffix[1:]
            metadata = {"Date": None} if kind == "svg" else {"Software": None}
            picture = BytesIO()
            figure.savefig(picture, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
            path.write_bytes(picture.getbuffer())
