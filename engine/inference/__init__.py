"""Exported models, and the runtimes that run them.

OpenVINO is imported within this package alone, so that its telemetry is off before.
"""

import sys

from engine.inference.load import load_model, read_export
from engine.inference.model import (
    Cancelled,
    CutSides,
    ModelError,
    ModelExport,
    PendingPoses,
    PoseModel,
    usual_batch_size,
)
from engine.inference.trial import TRIED_SHAPE, ImpossiblePoseError

# OpenVINO's import tells an analytics host, and keeps an id in the user's home, where it finds this
# module. None stands for one that cannot be imported.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # typeshed knows modules alone

__all__ = [
    "TRIED_SHAPE",
    "Cancelled",
    "CutSides",
    "ImpossiblePoseError",
    "ModelError",
    "ModelExport",
    "PendingPoses",
    "PoseModel",
    "load_model",
    "read_export",
    "usual_batch_size",
]
