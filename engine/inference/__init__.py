"""Exported DeepLabCut models, and the runtimes that run them."""

from engine.inference.export import ModelError, ModelExport, read_export
from engine.inference.load import RUNTIMES, load_model
from engine.inference.model import Cancelled, PendingPoses, PoseModel
from engine.inference.workload import images_at_a_time

__all__ = [
    "RUNTIMES",
    "Cancelled",
    "ModelError",
    "ModelExport",
    "PendingPoses",
    "PoseModel",
    "images_at_a_time",
    "load_model",
    "read_export",
]
