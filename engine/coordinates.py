"""Where saved poses are counted from."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np

from readers import CropRectangle
from sinks import PoseBatch, Sink


class InMovieCoordinates:
    """Gives a sink poses in pixels of the whole frame, instead of the crop rectangle."""

    def __init__(self, sink: Sink, crop: CropRectangle) -> None:
        self._sink = sink
        self._shift = np.array([crop.left, crop.top, 0.0])

    def __enter__(self) -> Self:
        self._sink.__enter__()
        return self

    def write(self, batch: PoseBatch) -> None:
        """Shift the batch's poses and hand it on."""
        self._sink.write(replace(batch, poses=batch.poses + self._shift))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sink.__exit__(exc_type, exc, traceback)
