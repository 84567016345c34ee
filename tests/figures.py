"""Figures that are not drawn, in most tests: drawing takes nine tenths of a short run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from sinks import PreviewSink

FINISH = PreviewSink.finish


def undrawn(sink: PreviewSink) -> None:
    """Write checksums of what the figures would show."""
    numbers = range(len(sink._body_parts))
    reduced = (
        sink._steps.counts(),
        sink._likelihood.points(),
        sink._coordinates.points(),
        [array for number in numbers for array in sink._trajectory.points(number)],
    )
    for path, arrays in zip(sink._partial, reduced, strict=True):
        shown = hashlib.sha256(repr((sink._body_parts, sink._color_map)).encode())
        for array in arrays:
            shown.update(array.tobytes())
        path.write_text(shown.hexdigest())


def draw(patch: pytest.MonkeyPatch, finish: Callable[[PreviewSink], None] = FINISH) -> None:
    """Let previews be drawn, or finished by another function."""
    patch.setattr(PreviewSink, "finish", finish)
