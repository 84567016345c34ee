"""The names that each package offers; adding or removing one is a decision."""

import engine
import readers
import sinks


def test_public_names() -> None:
    assert engine.__all__ == [
        "CropRectangle",
        "InputError",
        "Interrupted",
        "Job",
        "MovieResult",
        "RunError",
        "RunResult",
        "live",
        "run",
    ]
    assert readers.__all__ == [
        "CropRectangle",
        "FrameBatch",
        "FrameStatus",
        "InputError",
        "MovieError",
        "MovieInfo",
        "MovieReader",
        "inspect_movie",
        "inspect_movies",
        "open_movie",
    ]
    assert sinks.__all__ == [
        "FASTEST_FRAME_RATE",
        "SEGMENT_LENGTH",
        "SLOWEST_FRAME_RATE",
        "AnnotationParts",
        "ExperimentAnnotations",
        "FrameCounts",
        "FrameRanges",
        "LabelledMovieSink",
        "ModelDescription",
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
        "flush_folder",
        "keep_segments",
        "num_finished_frames",
        "output_errors",
        "segments_dir",
        "whole_file",
        "write_metadata",
    ]


def test_every_public_name_is_there() -> None:
    for package in (engine, readers, sinks):
        for name in package.__all__:
            assert getattr(package, name) is not None
