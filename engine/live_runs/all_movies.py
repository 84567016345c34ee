"""The movies of a recording, one after the other, while they are recorded."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import RunError
from engine.follow.settings import FollowSettings
from engine.inference import PoseModel
from engine.job.alignment import alignment_warning
from engine.job.job import Job
from engine.live_runs.audience import Audience
from engine.live_runs.one_movie import LiveMovieRun
from engine.live_runs.options import LiveOptions
from engine.machine.threads import undisturbed
from engine.run_folder.identity import first_picture
from engine.run_folder.journal import read_journal
from engine.run_folder.unfinished import RunRecord, UnfinishedRun
from engine.runs.job_sinks import JobSinks
from readers import MovieError, MovieInfo, inspect_movie
from readers.growing.growing_file import EndedBy
from readers.live import LiveMovie, LiveSource
from sinks import AnnotationParts


@dataclass(frozen=True)
class Followed:
    """A movie that was followed to its end.

    Attributes
    ----------
    info
        What was known of it meanwhile.
    ended_by
        Why nothing more came.
    """

    info: MovieInfo
    ended_by: EndedBy | None

    def as_recorded(self) -> MovieInfo:
        """Look at the movie again now that it is recorded, if it is still there."""
        if self.ended_by == "damaged":
            return self.info
        try:
            recorded = undisturbed(inspect_movie, self.info.path)
        except MovieError:
            return self.info
        # That there is more, or will be, is no damage of what was asked for.
        damage = None if self.ended_by == "stopped" else recorded.damage
        notes = tuple(dict.fromkeys((*self.info.notes, *recorded.notes)))
        return replace(recorded, damage=damage, notes=notes)


@dataclass
class Following:
    """Takes every movie of a source through, as it comes.

    Attributes
    ----------
    job, options
        What to do.
    source
        Gives the movies.
    model, sinks, folder
        As in `LiveMovieRun`.
    audience
        Is told of everything at once; open.
    record
        What the run is; it learns how each movie begins.
    follow
        How the animal is followed; None for whole frames.
    """

    job: Job
    options: LiveOptions
    source: LiveSource
    model: PoseModel
    sinks: JobSinks
    folder: UnfinishedRun
    audience: Audience
    record: RunRecord
    follow: FollowSettings | None
    _problem: MovieError | None = field(default=None, init=False)
    _told: set[str] = field(default_factory=set, init=False)

    def run(self) -> list[Followed]:
        """Follow the recording to its end; tell which movies it had.

        Raises
        ------
        RunError
            If nothing came that could be followed.
        """
        movies: list[Followed] = []
        parts = AnnotationParts(
            self.folder.path / "annotations",
            self.job.experiment_annotations_format,
            body_parts=self.sinks.export.body_parts,
            has_hardware_counter=False,
        )
        with parts, closing(self.source.movies()) as sources:
            is_over = False
            while not is_over:
                with ExitStack() as resources:
                    movie = self._open_next(sources, resources, are_some=bool(movies))
                    if movie is None:
                        break
                    self._follow(movie, len(movies), parts)
                    movies.append(Followed(movie.info, movie.ended_by))
                    is_over = movie.ended_by == "stopped"
        if not movies:
            raise self._problem or RunError("nothing was recorded")
        if self._problem is not None:
            self.audience.warn(str(self._problem))
        return movies

    def _open_next(
        self, sources: Generator[LiveMovie, None, None], resources: ExitStack, *, are_some: bool
    ) -> LiveMovie | None:
        """Wait for the next movie's first picture; None where the recording has ended.

        A movie that cannot be followed is passed over: of a series, the others are not lost.
        """
        while True:
            try:
                movie = next(sources, None)
                return None if movie is None else resources.enter_context(movie)
            except MovieError as error:
                if self._problem is not None:
                    self.audience.warn(str(self._problem))
                self._problem = error
            except KeyboardInterrupt:
                if are_some:
                    return None
                raise

    def _follow(self, movie: LiveMovie, number: int, parts: AnnotationParts) -> None:
        if self.job.crop_rect is not None:
            self.job.crop_rect.check_inside(movie.info)
            self._warn_of_crop(movie.info)
        known = read_journal(self.folder.live_journal(number))
        if known is not None and known.num_frames:
            begun = undisturbed(inspect_movie, movie.path)
            picture = undisturbed(first_picture, begun, self.job.crop_rect)
            self._note_first_picture(number, picture)
        for note in movie.info.notes:
            self.audience.warn(f"{movie.path}: {note}")
        self.audience.begin_movie(movie, number, 0 if known is None else known.num_frames)
        LiveMovieRun(
            job=self.job,
            number=number,
            movie=movie,
            model=self.model,
            sinks=self.sinks,
            folder=self.folder,
            publishers=self.audience.publishers,
            skips=self.options.skips,
            on_published=self.audience.published,
            on_first_picture=lambda digest: self._note_first_picture(number, digest),
            on_progress=_Watch(movie, self.audience).look,
            on_stop=self._tell_of_stop,
            follow=self.follow,
        ).run(parts)
        self.audience.end_movie()

    def _warn_of_crop(self, movie: MovieInfo) -> None:
        warning = alignment_warning(self.job, self.sinks.export, movie)
        if warning is not None and warning not in self._told:
            self._told.add(warning)
            self.audience.warn(warning)

    def _note_first_picture(self, number: int, digest: dict[str, Any]) -> None:
        movies = self.record.identity["movies"]
        if number < len(movies):
            if movies[number] != digest:
                raise RunError("this is another recording than the one that was begun here")
            return
        self.record = replace(
            self.record, identity={**self.record.identity, "movies": [*movies, digest]}
        )
        self.folder.write_record(self.record)

    def _tell_of_stop(self) -> None:
        self.audience.note("ending: what has arrived is worked off; once more stops at once")


class _Watch:
    """Looks after a movie while it is followed."""

    def __init__(self, movie: LiveMovie, audience: Audience) -> None:
        self._movie = movie
        self._audience = audience
        self._has_warned = False

    def look(self) -> None:
        """Tell how the run does, and warn once of pictures that are not of the movie's size."""
        if self._movie.size_change is not None and not self._has_warned:
            self._has_warned = True
            self._audience.warn(f"{self._movie.path}: {self._movie.size_change}")
        self._audience.show()
