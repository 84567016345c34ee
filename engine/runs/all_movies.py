"""All outputs of a run are made, from its first movie to its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from engine.builtin import DEMO_MOVIE
from engine.follow.settings import FollowSettings, follow_warnings
from engine.inference import ModelExport, PoseModel
from engine.job.alignment import alignment_warning
from engine.job.job import Job
from engine.run_folder.identity import MovieResult, describe_movie, describe_run
from engine.run_folder.output_names import OutputDirectory
from engine.run_folder.unfinished import RunRecord, UnfinishedRun
from engine.runs.job_sinks import JobSinks
from engine.runs.one_movie import MovieRun
from engine.untrusted.quoting import printable
from engine.watch.progress import Progress
from readers import MovieInfo
from sinks import ModelDescription, write_metadata


def model_warnings(job: Job, export: ModelExport, movies: Sequence[MovieInfo]) -> list[str]:
    """Say what the user should know of the model, a line each; of a live run without movies."""
    warnings = []
    if job.model is None and {movie.path for movie in movies} != {DEMO_MOVIE}:
        warnings.append(
            "no model was given: the built-in one has learned from generated movies alone "
            "and misleads on recordings"
        )
    if export.depends_on_batch:
        warnings.append(
            f"{export.directory}: this model's predictions depend on which frames share a batch "
            "(its batch normalisation is in training mode); it runs one frame at a time"
        )
    of_crop = (alignment_warning(job, export, movie) for movie in movies)
    return warnings + follow_warnings(job, export) + list(dict.fromkeys(filter(None, of_crop)))


@dataclass
class Production:
    """Takes every movie to its outputs, in a folder that the caller holds.

    Attributes
    ----------
    job
        What to do.
    export
        The model, as it was exported.
    movies
        In the order in which they are read.
    sinks
        Makes the sinks.
    folder
        Where the run works.
    progress
        Is told how far the run is.
    most_frames
        Every movie is taken to end after as many frames; None for where they end.
    follow
        How the animal is followed; None for whole frames.
    has_told
        Whether the user has heard of `model_warnings` and of the movies' notes already.
    results
        One for each movie that is through.
    warnings
        What the user should know, a line each.
    """

    job: Job
    export: ModelExport
    movies: Sequence[MovieInfo]
    sinks: JobSinks
    folder: UnfinishedRun
    progress: Progress
    most_frames: int | None = None
    follow: FollowSettings | None = None
    has_told: bool = False
    results: list[MovieResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def make(self, model: PoseModel, record: RunRecord) -> None:
        """Make all outputs, and note in the folder that they are whole.

        Raises
        ------
        RunError, OutputError, InputError
            If a movie cannot be read or an output cannot be written.
        Interrupted
            After an interrupt, when what the model had in hand is safe.
        """
        notes = [f"{movie.path}: {note}" for movie in self.movies for note in movie.notes]
        for message in [*model_warnings(self.job, self.export, self.movies), *notes]:
            self.warnings.append(printable(message))
            if not self.has_told:
                self.progress.warn(message)
        with self.sinks.opened(self.movies[0]) as of_run:
            for number, movie in enumerate(self.movies):
                movie_run = MovieRun(
                    job=self.job,
                    number=number,
                    movie=movie,
                    model=model,
                    depends_on_batch=self.export.depends_on_batch,
                    sinks=self.sinks,
                    folder=self.folder,
                    progress=self.progress,
                    most_frames=self.most_frames,
                    follow=self.follow,
                )
                self.results.append(movie_run.run(of_run))
                self.folder.note_whole(*self.sinks.files_of_movie(number, self.folder.outputs))
                self._tell_of_following(self.results[-1])
                self._warn_of_frames(self.results[-1])
        self.folder.check_held()
        self._write_metadata(model.runtime, record)
        self.folder.note_whole(*self.written(self.folder.outputs), is_finished=True)

    def written(self, names: OutputDirectory) -> list[Path]:
        """Give the paths of all outputs, the metadata last: they tell that all others are there."""
        return self.sinks.files(len(self.movies), names)

    def warn(self, message: str) -> None:
        """Tell the user at once, and keep it for the metadata."""
        self.warnings.append(printable(message))
        self.progress.warn(message)

    def _tell_of_following(self, result: MovieResult) -> None:
        if result.follow is not None:
            self.progress.note(f"{result.movie.path.name}: {result.follow.as_text()}")
            if self.job.follow == "tracker" and result.follow.lacks_tracker:
                self.warn(
                    f"{result.movie.path}: no frame that was followed has a box of a tracker; the "
                    "poses led to the windows"
                )

    def _warn_of_frames(self, result: MovieResult) -> None:
        movie, counts = result.movie, result.counts
        if result.damage is not None:
            self.warn(f"{movie.path}: {result.damage}")
        if counts.dropped.num_frames:
            self.warn(
                f"{movie.path}: {counts.dropped.num_frames} of {counts.num_frames} frames were "
                "dropped by the recorder; their poses are NaN"
            )
        if counts.undecodable.num_frames:
            self.warn(
                f"{movie.path}: {counts.undecodable.num_frames} of {counts.num_frames} frames "
                "could not be decoded; their poses are NaN"
            )
        if counts.skipped.num_frames:
            self.warn(
                f"{movie.path}: {counts.skipped.num_frames} of {counts.num_frames} frames were "
                "skipped while it was recorded; their poses are NaN; fill them in with "
                "posestream run --resume"
            )
        if counts.num_frames < self.job.window_length:
            self.warn(
                f"{movie.path}: its {counts.num_frames} frames are fewer than the median filter's "
                f"window of {self.job.window_length}, which takes zeros for those beyond its ends "
                "and so draws poses towards zero; choose a smaller --window-length"
            )
        claimed = movie.num_frames_from_header
        if claimed is not None and claimed != counts.num_frames:
            self.warn(
                f"{movie.path}: its header claims {claimed} frames, {counts.num_frames} are there"
            )

    def _write_metadata(self, runtime: str, record: RunRecord) -> None:
        export = self.export
        started = datetime.fromisoformat(record.started)
        write_metadata(
            self.folder.outputs.metadata,
            model=ModelDescription(
                task=export.task,
                scorer=export.experimenter,
                date=export.date,
                network=export.network,
                body_parts=export.body_parts,
                snapshot=export.iterations,
            ),
            outputs=self.sinks.descriptions(self.results),
            provenance={
                **describe_run(self.job, export, runtime),
                "movies": [describe_movie(result) for result in self.results],
                "warnings": self.warnings,
                "is_damaged": any(result.is_damaged for result in self.results),
                "is_live": record.is_live,
                "identity": record.identity,
                "started": started.isoformat(timespec="seconds"),
                "duration_s": round((datetime.now(UTC) - started).total_seconds(), 3),
            },
        )
