"""The coordinates of saved poses: pixels of the whole frame, also where it was cropped."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from readers import CropRectangle
from sinks import PoseBatch, ResourceHolder, Sink


class InMovieCoordinates(ResourceHolder):
    """Gives a sink poses in pixels of the whole frame, instead of the crop rectangle."""

    def __init__(self, sink: Sink, crop: CropRectangle) -> None:
        self._sink = sink
        self._shift = np.array([crop.left, crop.top, 0.0])

    def open(self, resources: ExitStack) -> None:
        """Open the sink."""
        resources.enter_context(self._sink)

    def write(self, batch: PoseBatch) -> None:
        """Shift the batch's poses and hand it on."""
        self._sink.write(replace(batch, poses=batch.poses + self._shift))
