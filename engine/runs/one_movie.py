"""One movie's way through a run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from engine.follow.calibration import (
    Calibration,
    calibrate,
    calibrated,
    read_calibration,
    write_calibration,
)
from engine.follow.settings import FollowSettings
from engine.follow.stage import make_prediction
from engine.follow.tally import FollowTally
from engine.inference import PoseModel, usual_batch_size
from engine.job.job import Job
from engine.machine.threads import undisturbed
from engine.pipeline.batch_size import probe_batch_size
from engine.pipeline.median import MedianFilter
from engine.pipeline.pipeline import Lane, Pipeline
from engine.run_folder.identity import MovieResult
from engine.run_folder.journal import (
    Journal,
    JournalContent,
    JournalCursor,
    new_journal,
    read_journal,
)
from engine.run_folder.live_poses import LivePoses
from engine.run_folder.replay import ReplayedPrediction, ReplayedReader, plan_replay
from engine.run_folder.unfinished import UnfinishedRun
from engine.runs.job_sinks import JobSinks, RunOutputs
from engine.watch.progress import MovieProgress, Progress
from readers import MovieInfo, MovieReader, open_movie
from sinks import FrameCounts


@dataclass(frozen=True)
class MovieRun:
    """Takes one movie from where a stopped run left it, or from its start, to its outputs.

    Attributes
    ----------
    job
        What to do.
    number, movie
        The movie, and its number within the run, from 0.
    model
        The model.
    depends_on_batch
        Whether the model's predictions depend on which frames share a batch.
    sinks
        Makes the sinks.
    folder
        Where the run works.
    progress
        Is told how far the movie is.
    most_frames
        The movie is taken to end after as many frames; None for where it ends.
    follow
        How the animal is followed; None for whole frames.
    """

    job: Job
    number: int
    movie: MovieInfo
    model: PoseModel
    depends_on_batch: bool
    sinks: JobSinks
    folder: UnfinishedRun
    progress: Progress
    most_frames: int | None
    follow: FollowSettings | None

    def run(self, of_run: RunOutputs) -> MovieResult:
        """Take the movie through, with the outputs of the whole run open."""
        reader = open_movie(self.movie, self.job.crop_rect, self.most_frames)
        path = self.folder.journal(self.number)
        content = read_journal(path) or self._new_journal(reader)
        replay = plan_replay(path, content, self.sinks.num_drawn_frames(self.number))
        counts = FrameCounts()
        with ExitStack() as stack:
            if replay.needs_movie:
                stack.enter_context(reader)
            journal = stack.enter_context(self._journal(content, reader))
            frames, poses = (stack.enter_context(JournalCursor(path)) for _ in range(2))
            live_poses = stack.enter_context(self._live_poses(content))
            calibration = self._calibration()
            follow = calibrated(self.follow, calibration)
            prediction = make_prediction(self.model, follow, live_poses, content.batch_size)
            tally = FollowTally(follow, calibration)
            median = MedianFilter(max(1, self.job.window_length))
            progress = stack.enter_context(
                MovieProgress(self.progress, self.movie, content.num_frames)
            )
            Pipeline(
                reader=ReplayedReader(replay, frames, reader),
                predict=ReplayedPrediction(prediction, poses, content.num_frames),
                stages=[journal, tally, median],
                lanes=self._lanes(reader, counts, of_run),
                batch_size=content.batch_size,
                num_held_batches=prediction.num_held_batches(content.batch_size, reader.image_shape)
                + median.num_held_batches(content.batch_size),
                on_progress=progress.advance,
                on_stop=progress.tell_of_stop,
                cancel_work=self.model.close,
            ).run()
        damage = content.damage if content.is_ended else reader.damage
        return MovieResult(self.movie, counts, damage, None if self.follow is None else tally)

    def _new_journal(self, reader: MovieReader) -> JournalContent:
        return new_journal(
            len(self.model.body_parts),
            self._batch_size(reader.image_shape),
            has_looks=self.follow is not None,
        )

    def _batch_size(self, image_shape: tuple[int, ...]) -> int:
        if isinstance(self.job.batch_size, int):
            return self.job.batch_size
        if self.follow is not None:
            return self.follow.batch_size
        if self.job.batch_size is None or self.depends_on_batch:
            return usual_batch_size(image_shape)
        return probe_batch_size(self.model, image_shape)

    def _calibration(self) -> Calibration | None:
        """Measure what following needs, once, or read what was measured before."""
        if self.follow is None or not self.follow.is_calibrated:
            return None
        path = self.folder.calibration(self.number)
        found = read_calibration(path)
        if found is None:
            found = undisturbed(self._calibrate, self.follow)
            self.folder.check_held()
            write_calibration(path, found)
        return found

    def _calibrate(self, follow: FollowSettings) -> Calibration:
        with open_movie(self.movie, self.job.crop_rect) as reader:
            return calibrate(reader, self.model, follow)

    def _live_poses(self, content: JournalContent) -> LivePoses:
        path = self.folder.journal(self.number)
        return LivePoses(self.folder.live_journal(self.number), path, content.num_frames)

    def _journal(self, content: JournalContent, reader: MovieReader) -> Journal:
        self.folder.check_held()
        return Journal(
            self.folder.journal(self.number),
            content,
            durable_every_s=self.job.durable_every_s,
            durable_every_frames=self.job.durable_every_frames,
            damage=lambda: reader.damage,
        )

    def _lanes(self, reader: MovieReader, counts: FrameCounts, of_run: RunOutputs) -> list[Lane]:
        self.folder.check_held()
        sinks = self.sinks.of_movie(self.number, reader, of_run)
        drawn = [sink for output, sink in sinks.items() if output.needs_pictures]
        data = [sink for output, sink in sinks.items() if not output.needs_pictures]
        lanes = [Lane("labelled movie", drawn), Lane("data", [counts, *data])]
        return [lane for lane in lanes if lane.sinks]
