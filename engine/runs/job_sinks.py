"""The sinks that a job asks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from engine.inference import ModelExport
from engine.job.job import Job
from engine.pipeline.coordinates import InMovieCoordinates
from engine.run_folder.identity import crop_as_json
from engine.run_folder.output_names import OutputDirectory
from engine.run_folder.replay import MovieSource
from readers import MovieInfo, MovieReader
from sinks import (
    FASTEST_FRAME_RATE,
    SLOWEST_FRAME_RATE,
    ExperimentAnnotations,
    LabelledMovieSink,
    OverlayStyle,
    PoseEstimates,
    PreviewSink,
    Sink,
    num_finished_frames,
)


@dataclass(frozen=True)
class FanOut:
    """Makes the sinks of a run and of its movies, which are counted from 0."""

    job: Job
    export: ModelExport
    style: OverlayStyle
    outputs: OutputDirectory

    def annotations(self, movie: MovieInfo) -> ExperimentAnnotations:
        """Make the table for all movies of a run, of which `movie` is the first."""
        return ExperimentAnnotations(
            self.outputs.annotations(self.job.experiment_annotations_format),
            body_parts=self.export.body_parts,
            has_hardware_counter=movie.has_hardware_counter,
        )

    def has_labelled_movie(self, number: int) -> bool:
        """Tell whether a stopped run has made all of a labelled movie."""
        return self.outputs.labelled_movie(number).exists()

    def num_drawn_frames(self, number: int) -> float:
        """Tell how many frames of a labelled movie a stopped run has made; infinity for all."""
        if self.has_labelled_movie(number):
            return math.inf
        return num_finished_frames(self.outputs.labelled_movie(number))

    def labelled_movie(
        self,
        number: int,
        reader: MovieSource,
        *,
        joins: bool = True,
        on_whole: Callable[[Path], None] = lambda _: None,
    ) -> Sink:
        """Make the sink that draws and encodes, and joins what it has encoded."""
        height, width, _ = reader.image_shape
        return LabelledMovieSink(
            self.outputs.labelled_movie(number),
            width=width,
            height=height,
            frame_rate=self.labelled_frame_rate(reader.info),
            body_parts=self.export.body_parts,
            style=self.style,
            joins=joins,
            on_whole=on_whole,
        )

    def labelled_frame_rate(self, movie: MovieInfo) -> Fraction:
        """Tell the frame rate of a labelled movie."""
        if self.job.output_frame_rate is None:  # a time lapse may be slower than an mp4 can be
            return min(max(movie.frame_rate, SLOWEST_FRAME_RATE), FASTEST_FRAME_RATE)
        return Fraction(str(self.job.output_frame_rate))  # 29.97, not its nearest binary number

    def data(
        self, number: int, reader: MovieReader, annotations: ExperimentAnnotations
    ) -> list[Sink]:
        """Make the sinks that need no pictures: pose estimates, annotations, previews."""
        crop = self.job.crop_rect
        in_movie = crop is not None and self.job.coordinates == "movie"
        height, width, _ = reader.image_shape
        sinks: list[Sink] = [
            PoseEstimates(
                self.outputs.pose_estimates(number),
                scorer=self.export.scorer,
                body_parts=self.export.body_parts,
                notes={"coordinates": self.job.coordinates, "crop_rect": crop_as_json(crop)},
            ),
            annotations.movie(reader.info),
            PreviewSink(
                self.outputs.previews(number),
                body_parts=self.export.body_parts,
                p_cutoff=self.job.p_cutoff,
                color_map=self.job.color_map,
                frame_width=reader.info.width if in_movie else width,
                frame_height=reader.info.height if in_movie else height,
            ),
        ]
        return [self.in_saved_coordinates(sink) for sink in sinks]

    def in_saved_coordinates(self, sink: Sink) -> Sink:
        """Let a sink have poses from where the job counts those that are saved."""
        crop = self.job.crop_rect
        if crop is None or self.job.coordinates != "movie":
            return sink
        return InMovieCoordinates(sink, crop)
