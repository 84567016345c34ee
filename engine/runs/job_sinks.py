"""The outputs of a run, one row each, and the sinks that make them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from engine.inference import ModelExport
from engine.job.job import Job
from engine.pipeline.pipeline import Lane
from engine.run_folder.identity import MovieResult
from engine.run_folder.output_names import OutputDirectory
from engine.run_folder.replay import MovieSource
from readers import CropRectangle, MovieInfo
from sinks import (
    FASTEST_FRAME_RATE,
    SLOWEST_FRAME_RATE,
    ExperimentAnnotations,
    FrameCounts,
    LabelledMovieSink,
    OverlayStyle,
    PoseBatch,
    PoseEstimates,
    PreviewPaths,
    PreviewSink,
    ResourceHolder,
    RunOutput,
    Sink,
    describe_labelled_movie,
    num_finished_frames,
)

RunOutputs = Mapping["Output", RunOutput]
LABELLED_MOVIE = "dlc_labeled_movie.{movie}.mp4"


class InMovieCoordinates(ResourceHolder):
    """Gives a sink poses in pixels of the whole frame, instead of the crop rectangle."""

    def __init__(self, sink: Sink, crop: CropRectangle) -> None:
        self._sink = sink
        self._shift = np.array([crop.left, crop.top, 0.0])

    def open(self, resources: ExitStack) -> None:
        """Open the sink."""
        resources.enter_context(self._sink)

    def write(self, batch: PoseBatch) -> None:
        """Shift the batch's poses and hand it on."""
        self._sink.write(replace(batch, poses=batch.poses + self._shift))


@dataclass(frozen=True)
class Output:
    """One kind of output: a row of `OUTPUTS`, from which all else about it derives.

    Attributes
    ----------
    name
        The output's name for people.
    files
        Names of its files. ``{movie}`` stands for the movie's number, from 0; without it the
        output is of the whole run. ``{format}`` stands for that of the experiment annotations.
    make
        Makes the sink of one movie, which writes the files of these paths.
    make_for_run
        Makes the output of a whole run, of which the first movie is given; instead of `make`.
    num_finished_frames
        Counts the frames that a stopped run has left of an unfinished file; a sink goes on from
        there. Only an output that is drawn on pictures has it: its sink is given the poses as they
        are on the pictures, and resuming does not make a whole file again. The others are made
        again from the poses alone.
    describe
        Gives what the metadata say about the output of one movie, besides the model; None for an
        output that is not in the metadata.
    """

    name: str
    files: tuple[str, ...]
    make: Callable[[JobSinks, Sequence[Path], MovieSource], Sink] | None = None
    make_for_run: Callable[[JobSinks, Sequence[Path], MovieInfo], RunOutput] | None = None
    num_finished_frames: Callable[[Path], int] | None = None
    describe: Callable[[JobSinks, MovieResult], dict[str, object]] | None = lambda *_: {}

    @property
    def needs_pictures(self) -> bool:
        """True for one that is drawn on pictures."""
        return self.num_finished_frames is not None

    def num_drawn(self, paths: Sequence[Path]) -> float:
        """Count the frames that are drawn already; infinity where the files are whole."""
        if self.num_finished_frames is None:
            return 0
        if all(path.exists() for path in paths):
            return math.inf
        return min(map(self.num_finished_frames, paths))


def output_directory(path: Path) -> OutputDirectory:
    """Give the directory where outputs of the names in `OUTPUTS` go."""
    files = [name for output in OUTPUTS for name in output.files]
    kept = [name for output in OUTPUTS if output.needs_pictures for name in output.files]
    return OutputDirectory(path, tuple(files), tuple(kept))


@dataclass(frozen=True)
class JobSinks:
    """The sinks of a job's run and of its movies, which are counted from 0.

    Files are made in `outputs`. `on_whole` is given the path of a labelled movie that is whole,
    while its segments are still there.
    """

    job: Job
    export: ModelExport
    style: OverlayStyle
    outputs: OutputDirectory
    on_whole: Callable[[Path], None] = lambda _: None

    @contextmanager
    def opened(self, first: MovieInfo) -> Iterator[RunOutputs]:
        """Open the outputs of the whole run, of which `first` is the first movie."""
        with ExitStack() as stack:
            yield {
                output: stack.enter_context(output.make_for_run(self, self._paths(output), first))
                for output in OUTPUTS
                if output.make_for_run is not None
            }

    def of_movie(self, number: int, movie: MovieSource, of_run: RunOutputs) -> dict[Output, Sink]:
        """Make the sinks of one movie, first those that draw; a whole drawn file gets none."""
        sinks: dict[Output, Sink] = {}
        for output in sorted(OUTPUTS, key=lambda output: not output.needs_pictures):
            paths = self._paths(output, number)
            if output in of_run:
                sinks[output] = of_run[output].movie(movie.info)
            elif output.make is not None and output.num_drawn(paths) < math.inf:
                sinks[output] = output.make(self, paths, movie)
            if output in sinks and not output.needs_pictures:
                sinks[output] = self.in_saved_coordinates(sinks[output])
        return sinks

    def lanes(
        self, number: int, movie: MovieSource, of_run: RunOutputs, counts: FrameCounts
    ) -> list[Lane]:
        """Make the sinks of one movie, and group them by thread; `counts` is one of them."""
        sinks = self.of_movie(number, movie, of_run)
        drawn = [sink for output, sink in sinks.items() if output.needs_pictures]
        data = [sink for output, sink in sinks.items() if not output.needs_pictures]
        lanes = [Lane("labelled movie", drawn), Lane("data", [counts, *data])]
        return [lane for lane in lanes if lane.sinks]

    def num_drawn_frames(self, number: int) -> float:
        """Count the frames of a movie whose pictures are not needed again; infinity for all."""
        drawn = [output for output in OUTPUTS if output.needs_pictures]
        counts = (output.num_drawn(self._paths(output, number)) for output in drawn)
        return min(counts, default=math.inf)

    def labelled_movie(self, path: Path, movie: MovieSource, *, joins: bool = True) -> Sink:
        """Make the sink of a labelled movie, which may be left in its segments to be joined."""
        height, width, _ = movie.image_shape
        return LabelledMovieSink(
            path,
            width=width,
            height=height,
            frame_rate=self.labelled_frame_rate(movie.info),
            body_parts=self.export.body_parts,
            style=self.style,
            joins=joins,
            on_whole=self.on_whole,
        )

    def labelled_frame_rate(self, movie: MovieInfo) -> Fraction:
        """Give the frame rate of a labelled movie, in frames per second."""
        if self.job.output_frame_rate is None:  # a time lapse may be slower than an mp4 can be
            return min(max(movie.frame_rate, SLOWEST_FRAME_RATE), FASTEST_FRAME_RATE)
        return Fraction(str(self.job.output_frame_rate))  # 29.97, not its nearest binary number

    def previews(self, paths: PreviewPaths, movie: MovieSource) -> Sink:
        """Make the sink of a movie's figures, whose axes are those of saved poses."""
        height, width, _ = movie.image_shape
        if self.job.coordinates == "movie":
            height, width = movie.info.height, movie.info.width
        return PreviewSink(
            paths,
            body_parts=self.export.body_parts,
            p_cutoff=self.job.p_cutoff,
            color_map=self.job.color_map,
            frame_width=width,
            frame_height=height,
        )

    def in_saved_coordinates(self, sink: Sink) -> Sink:
        """Give a sink the poses in the coordinates that the job saves."""
        crop = self.job.crop_rect
        if crop is None or self.job.coordinates != "movie":
            return sink
        return InMovieCoordinates(sink, crop)

    def files(self, num_movies: int, within: OutputDirectory) -> list[Path]:
        """Give the paths of all outputs, the metadata last: they tell that all others are there."""
        of_run = [output for output in OUTPUTS if output.make_for_run is not None]
        paths = [path for output in of_run for path in self._paths(output, within=within)]
        for number in range(num_movies):
            paths += self.files_of_movie(number, within)
        return [*paths, within.metadata]

    def files_of_movie(self, number: int, within: OutputDirectory) -> list[Path]:
        """Give the paths of one movie's outputs."""
        of_movie = [output for output in OUTPUTS if output.make is not None]
        return [path for output in of_movie for path in self._paths(output, number, within)]

    def descriptions(self, results: Sequence[MovieResult]) -> dict[str, dict[str, object]]:
        """Give what the metadata say about each output, by its name there."""
        found: dict[str, dict[str, object]] = {}
        for output in OUTPUTS:
            for number, result in enumerate(results):
                if output.describe is not None:
                    path = self._paths(output, number)[0]
                    found[path.stem] = output.describe(self, result)
        return found

    def _paths(
        self, output: Output, number: int = 0, within: OutputDirectory | None = None
    ) -> list[Path]:
        kind = self.job.experiment_annotations_format
        folder = (within or self.outputs).path
        return [folder / name.format(movie=number, format=kind) for name in output.files]


OUTPUTS: tuple[Output, ...] = (
    Output(
        "pose estimates",
        ("dlc_pose_estimates.{movie}.h5",),
        make=lambda sinks, paths, _: PoseEstimates(
            paths[0],
            scorer=sinks.export.scorer,
            body_parts=sinks.export.body_parts,
            notes={
                "coordinates": sinks.job.coordinates,
                "crop_rect": sinks.job.crop_rect and asdict(sinks.job.crop_rect),
            },
        ),
    ),
    Output(
        "annotations",
        ("dlc_annotations.{format}",),
        make_for_run=lambda sinks, paths, first: ExperimentAnnotations(
            paths[0],
            body_parts=sinks.export.body_parts,
            has_hardware_counter=first.has_hardware_counter,
        ),
    ),
    Output(
        "labelled movie",
        (LABELLED_MOVIE,),
        make=lambda sinks, paths, movie: sinks.labelled_movie(paths[0], movie),
        num_finished_frames=num_finished_frames,
        describe=lambda sinks, result: describe_labelled_movie(
            width=(sinks.job.crop_rect or result.movie).width,
            height=(sinks.job.crop_rect or result.movie).height,
            frame_rate=float(sinks.labelled_frame_rate(result.movie)),
            num_frames=result.num_frames,
        ),
    ),
    Output(
        "previews",
        (  # in the order of `PreviewPaths`
            "hist.{movie}.svg",
            "plot-likelihood.{movie}.svg",
            "plot.{movie}.svg",
            "trajectory.{movie}.png",
        ),
        make=lambda sinks, paths, movie: sinks.previews(PreviewPaths(*paths), movie),
        describe=None,
    ),
)
"""All outputs but the metadata, which are written last, in the order of the metadata.

The names are the reference tool's.
"""
