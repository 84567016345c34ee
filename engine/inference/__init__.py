"""Exported DeepLabCut models, and the runtimes that run them."""

from engine.inference.export import ModelError, ModelExport, read_export
from engine.inference.load import RUNTIMES, load_model
from engine.inference.model import Cancelled, PoseModel

__all__ = [
    "RUNTIMES",
    "Cancelled",
    "ModelError",
    "ModelExport",
    "PoseModel",
    "load_model",
    "read_export",
]
