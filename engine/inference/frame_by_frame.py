"""For models whose predictions depend on the batch: batches of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.inference.model import PoseModel


class FrameByFrame(PoseModel):
    """Gives a model one image at a time, so that no frame's pose depends on its neighbours."""

    def __init__(self, model: PoseModel) -> None:
        self._model = model

    @property
    def body_parts(self) -> tuple[str, ...]:
        """Names of the body parts, in the order of the poses."""
        return self._model.body_parts

    @property
    def runtime(self) -> str:
        """Name and version of the runtime."""
        return self._model.runtime

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Estimate poses one image at a time; see `PoseModel.predict`."""
        poses = [self._model.predict(images[index : index + 1]) for index in range(len(images))]
        return np.concatenate(poses)

    def close(self) -> None:
        """Free the model."""
        self._model.close()
