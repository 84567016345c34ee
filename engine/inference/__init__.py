"""Exported DeepLabCut models, and the runtimes that run them."""

from engine.inference.export import ModelError, ModelExport, read_export
from engine.inference.load import RUNTIMES, load_model
from engine.inference.model import Cancelled, CutSides, PendingPoses, PoseModel
from engine.inference.workload import usual_batch_size

__all__ = [
    "RUNTIMES",
    "Cancelled",
    "CutSides",
    "ModelError",
    "ModelExport",
    "PendingPoses",
    "PoseModel",
    "load_model",
    "read_export",
    "usual_batch_size",
]
