"""One movie's way through a live run, while it is recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from engine.follow.settings import FollowSettings
from engine.follow.stage import make_prediction
from engine.inference import PoseModel, usual_batch_size
from engine.job.job import Job
from engine.live_runs.first_picture import FirstPicture
from engine.live_runs.stages import Publication
from engine.pipeline.median import MedianFilter
from engine.pipeline.pipeline import Lane, Live, Pipeline
from engine.run_folder.journal import (
    Journal,
    JournalContent,
    JournalCursor,
    new_journal,
    read_journal,
)
from engine.run_folder.replay import ReplayedPrediction, ReplayedReader, plan_replay
from engine.run_folder.unfinished import UnfinishedRun
from engine.runs.job_sinks import JobSinks
from readers.live import LiveMovie
from sinks import AnnotationParts, PoseBatch, Sink


@dataclass(frozen=True)
class LiveMovieRun:
    """Takes one movie as far as can be while it is recorded, from its start or on from there.

    Poses are published as they come, and kept in a journal; the labelled movie is drawn and left
    in its segments; annotations appear in parts. The outputs themselves are made of these when
    the recording has ended.

    Attributes
    ----------
    job
        What to do.
    number, movie
        The movie, open, and its number within the run, from 0.
    model
        The model.
    sinks
        Makes the sinks.
    folder
        Where the run works.
    publishers
        Who gets each pose at once.
    skips
        Whether the newest frame counts where the machine is too slow.
    on_published
        Told of each batch and when it was published.
    on_first_picture
        Told the first frame's digest, unless an earlier live run has seen it.
    on_progress
        Called several times a second.
    on_stop
        Called when an interrupt has ended the recording.
    follow
        How the animal is followed; None for whole frames.
    """

    job: Job
    number: int
    movie: LiveMovie
    model: PoseModel
    sinks: JobSinks
    folder: UnfinishedRun
    publishers: Sequence[Sink]
    skips: bool
    on_published: Callable[[PoseBatch, float], None]
    on_first_picture: Callable[[dict[str, str]], None]
    on_progress: Callable[[], None]
    on_stop: Callable[[], None]
    follow: FollowSettings | None

    def run(self, parts: AnnotationParts) -> None:
        """Follow the movie to its end, with `parts` open for it."""
        path = self.folder.live_journal(self.number)
        shape = self.movie.image_shape
        content = read_journal(path) or self._new_journal()
        replay = plan_replay(path, content, self.sinks.num_drawn_frames(self.number))
        with ExitStack() as stack:
            journal = stack.enter_context(self._journal(content))
            frames, poses = (stack.enter_context(JournalCursor(path)) for _ in range(2))
            prediction = make_prediction(self.model, self.follow)
            median = MedianFilter(max(1, self.job.window_length))
            num_known = content.num_frames
            Pipeline(
                reader=ReplayedReader(replay, frames, self.movie),
                predict=ReplayedPrediction(prediction, poses, num_known),
                stages=[
                    FirstPicture(self.on_first_picture),
                    Publication(self.publishers, self.on_published, num_known),
                    journal,
                    median,
                ],
                lanes=self._lanes(parts),
                batch_size=content.batch_size,
                # Up to date, a batch has one frame.
                num_held_batches=prediction.num_held_batches(1, shape) + median.num_held_batches(1),
                on_progress=lambda _: self.on_progress(),
                on_stop=self.on_stop,
                cancel_work=self._cancel,
                live=Live(
                    receive=self.movie.receive, end=self.movie.stop, reads_on_demand=self.skips
                ),
            ).run()

    def _cancel(self) -> None:
        self.movie.cancel()
        self.model.close()

    def _new_journal(self) -> JournalContent:
        return new_journal(
            len(self.model.body_parts), self._batch_size(), has_looks=self.follow is not None
        )

    def _batch_size(self) -> int:
        if isinstance(self.job.batch_size, int):
            return self.job.batch_size
        return usual_batch_size(self.movie.image_shape)

    def _journal(self, content: JournalContent) -> Journal:
        self.folder.check_held()
        return Journal(
            self.folder.live_journal(self.number),
            content,
            durable_every_s=self.job.durable_every_s,
            durable_every_frames=self.job.durable_every_frames,
            damage=lambda: self.movie.damage,
        )

    def _lanes(self, parts: AnnotationParts) -> list[Lane]:
        self.folder.check_held()
        labelled_movie = self.sinks.live_labelled_movie(self.number, self.movie)
        data = self.sinks.in_saved_coordinates(parts.movie(self.movie.info))
        return [Lane("labelled movie", [labelled_movie]), Lane("data", [data])]
