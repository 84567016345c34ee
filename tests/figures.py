"""Figures that are not drawn, in most tests: drawing takes nine tenths of a short run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sinks.previews.figures import Figures
from sinks.previews.reductions import TrajectoryMap


class UndrawnFigures(Figures):
    """Figures whose files hold a checksum of what they would show."""

    def draw_lines(self, path: Path, *values: NDArray[np.generic], **labels: object) -> None:
        shown = hashlib.sha256(repr((self._body_parts, self._colors, labels)).encode())
        for array in values:
            shown.update(np.ascontiguousarray(array))
        path.write_text(shown.hexdigest())

    draw_histogram = draw_lines  # type: ignore[assignment] -- with no labels

    def draw_trajectory(self, path: Path, trajectory: TrajectoryMap) -> None:
        points = [trajectory.points(number) for number in range(len(self._body_parts))]
        self.draw_lines(path, *(array for pair in points for array in pair))


def draw(patch: pytest.MonkeyPatch, figures: type[Figures] = Figures) -> None:
    """Let previews be drawn by a class of figures."""
    patch.setattr("sinks.previews.figures.Figures", figures)
