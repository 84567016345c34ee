"""A model that costs nothing, to measure everything around one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.inference import ModelExport, PoseModel


class NullModel(PoseModel):
    """Gives every image the same pose: body parts on its diagonal, all of them certain."""

    runtime = "none"

    def __init__(self, body_parts: tuple[str, ...]) -> None:
        self.body_parts = body_parts

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Give the constant pose; see `PoseModel.predict`."""
        height, width = images.shape[1:3]
        number = len(self.body_parts)
        place = np.arange(1, number + 1)[:, np.newaxis] / (number + 1)
        pose = np.concatenate([place * [width, height], np.ones((number, 1))], axis=1)
        return np.repeat(pose[np.newaxis], len(images), axis=0)

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


def load_null_model(export: ModelExport, runtime: str) -> PoseModel:  # noqa: ARG001 -- a loader
    """Stand in for `load_model`."""
    return NullModel(export.body_parts)
