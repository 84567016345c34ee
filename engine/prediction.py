"""The stage that gives every frame its pose."""

from __future__ import annotations

import numpy as np

from engine.inference import PoseModel
from readers import FrameBatch, FrameStatus
from sinks import PoseBatch


class Prediction:
    """Runs the model on every frame that has a picture; the others get NaN poses."""

    def __init__(self, model: PoseModel) -> None:
        self._model = model

    def push(self, batch: FrameBatch) -> list[PoseBatch]:
        """Estimate the poses of a batch; it comes out with as many poses as frames."""
        decoded = batch.status == FrameStatus.DECODED
        if decoded.all():
            return [PoseBatch(batch, self._model.predict(batch.images))]
        poses = np.full((len(batch), len(self._model.body_parts), 3), np.nan)
        if decoded.any():
            poses[decoded] = self._model.predict(batch.images[decoded])
        return [PoseBatch(batch, poses)]
