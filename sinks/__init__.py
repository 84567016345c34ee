"""Turn poses into files that people and programs use."""

from sinks.annotations import ExperimentAnnotations
from sinks.base import PoseBatch, ResourceHolder, Sink
from sinks.frame_counts import FrameCounts
from sinks.labelled_movie import FASTEST_FRAME_RATE, SLOWEST_FRAME_RATE, LabelledMovieSink
from sinks.metadata import LabelledMovieDescription, ModelDescription, write_metadata
from sinks.overlay import OverlayStyle
from sinks.pose_estimates import PoseEstimates
from sinks.previews import PreviewPaths, PreviewSink

__all__ = [
    "FASTEST_FRAME_RATE",
    "SLOWEST_FRAME_RATE",
    "ExperimentAnnotations",
    "FrameCounts",
    "LabelledMovieDescription",
    "LabelledMovieSink",
    "ModelDescription",
    "OverlayStyle",
    "PoseBatch",
    "PoseEstimates",
    "PreviewPaths",
    "PreviewSink",
    "ResourceHolder",
    "Sink",
    "write_metadata",
]
