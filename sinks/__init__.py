"""The sinks, which turn poses into files that people and programs use."""

from sinks.annotations import AnnotationParts, ExperimentAnnotations
from sinks.base import FrameCounts, FrameRanges, PoseBatch, ResourceHolder, RunOutput, Sink
from sinks.files import OutputError, flush_folder, output_errors, whole_file
from sinks.labelled_movie import LabelledMovieSink
from sinks.labelled_movie.overlay import OverlayStyle
from sinks.labelled_movie.segments import (
    FASTEST_FRAME_RATE,
    SEGMENT_LENGTH,
    SLOWEST_FRAME_RATE,
    keep_segments,
    num_finished_frames,
    segments_dir,
)
from sinks.metadata import describe_labelled_movie, describe_model, write_metadata
from sinks.pose_estimates import PoseEstimates
from sinks.previews import PreviewPaths, PreviewSink

__all__ = [
    "FASTEST_FRAME_RATE",
    "SEGMENT_LENGTH",
    "SLOWEST_FRAME_RATE",
    "AnnotationParts",
    "ExperimentAnnotations",
    "FrameCounts",
    "FrameRanges",
    "LabelledMovieSink",
    "OutputError",
    "OverlayStyle",
    "PoseBatch",
    "PoseEstimates",
    "PreviewPaths",
    "PreviewSink",
    "ResourceHolder",
    "RunOutput",
    "Sink",
    "describe_labelled_movie",
    "describe_model",
    "flush_folder",
    "keep_segments",
    "num_finished_frames",
    "output_errors",
    "segments_dir",
    "whole_file",
    "write_metadata",
]
