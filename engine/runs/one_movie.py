"""One movie's way through a run, whether it is recorded or still being recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
from engine.inference import ModelExport, PoseModel, usual_batch_size
from engine.job.job import Job
from engine.machine.workers import undisturbed
from engine.pipeline.batch_size import probe_batch_size
from engine.pipeline.median import MedianFilter
from engine.pipeline.pipeline import FrameSource, Lane, Live, Pipeline, PoseStage
from engine.run_folder.identity import MovieResult
from engine.run_folder.journal import Journal, JournalContent, read_journal
from engine.run_folder.replay import MovieSource, ReplayedReader, plan_replay
from engine.run_folder.unfinished import UnfinishedRun
from engine.runs.job_sinks import JobSinks
from engine.watch.progress import MovieWatch, Progress
from readers import MovieReader, open_movie
from sinks import FrameCounts, ResourceHolder

if TYPE_CHECKING:  # a run of recorded movies does without
    from readers.live import LiveMovie


@dataclass(frozen=True)
class RunContext:
    """The context of a run, the same for all its movies.

    Attributes
    ----------
    job
        What to do.
    export, model
        The model, as it was exported and as it was loaded.
    sinks
        Makes the sinks.
    folder
        Where the run works.
    progress
        Is told how far the run is.
    follow
        How the animal is followed; None for whole frames.
    most_frames
        Every movie is taken to end after as many frames; None for where it ends.
    fills
        Whether frames that a live run has skipped are to be looked at.
    """

    job: Job
    export: ModelExport
    model: PoseModel
    sinks: JobSinks
    folder: UnfinishedRun
    progress: Progress
    follow: FollowSettings | None
    most_frames: int | None = None
    fills: bool = False


@dataclass
class OneMovie(ResourceHolder):
    """One movie on its way from where a stopped run left it, or from its start, to its sinks.

    Within its block the `pipeline` is to be run; then there is a `result`.

    Attributes
    ----------
    run
        The run.
    number
        The movie's number within the run, from 0.
    reader
        The source of the frames: a recorded movie, not open yet, or a live one, open.
    lanes
        Makes the sinks, grouped by thread, given the sink that counts frames.
    watch
        Makes what shows how far the movie is, given the number of frames that were done before.
    first_stages
        Stages before the journal.
    reads_on_demand
        Of a live movie: whether the newest frame counts where the machine is too slow.
    """

    run: RunContext
    number: int
    reader: MovieSource
    lanes: Callable[[FrameCounts], list[Lane]]
    watch: Callable[[int], MovieWatch]
    first_stages: Sequence[PoseStage] = ()
    reads_on_demand: bool = False

    def open(self, resources: ExitStack) -> None:
        """Find what was done, and make the pipeline."""
        run, reader, live = self.run, self.reader, self._live
        path = run.folder.journal(self.number)
        self._content = content = read_journal(path) or self._new_journal()
        frames, journal = self._opened(resources, path)
        calibration = self._calibration() if live is None else None
        follow = calibrated(run.follow, calibration)
        self._counts, self._tally = FrameCounts(), FollowTally(follow, calibration)
        length = content.batch_size if live is None else 1  # up to date, a batch has one frame
        prediction = make_prediction(run.model, follow, 0 if live else length)
        median = MedianFilter(max(1, run.job.window_length))
        num_held = prediction.num_held_batches(length, reader.image_shape)
        watch = resources.enter_context(self.watch(content.num_frames))
        run.folder.check_held()
        self.pipeline = Pipeline(
            reader=frames,
            predict=prediction,
            stages=[*self.first_stages, journal, self._tally, median],
            lanes=self.lanes(self._counts),
            batch_size=content.batch_size,
            num_held_batches=num_held + median.num_held_batches(length),
            on_progress=watch.advance,
            on_stop=watch.tell_of_stop,
            cancel_work=self._cancel,
            live=None if live is None else Live(live.receive, live.stop, self.reads_on_demand),
        )

    @property
    def result(self) -> MovieResult:
        """The outcome of the movie."""
        damage = self._content.damage if self._content.is_ended else self.reader.damage
        tally = None if self.run.follow is None else self._tally
        return MovieResult(self.reader.info, self._counts, damage, tally)

    @property
    def _live(self) -> LiveMovie | None:
        return None if isinstance(self.reader, MovieReader) else self.reader

    def _cancel(self) -> None:
        if self._live is not None:
            self._live.cancel()
        self.run.model.close()

    def _opened(self, resources: ExitStack, path: Path) -> tuple[FrameSource, Journal]:
        """Open the journal, and the movie if it has to be read behind what the journal has."""
        run, content, drawn = self.run, self._content, self.run.sinks.num_drawn_frames
        replay = plan_replay(run.folder, self.number, content, drawn, fills=run.fills)
        if isinstance(self.reader, MovieReader) and replay.needs_movie:
            resources.enter_context(self.reader)
        frames: FrameSource = self.reader
        if content.num_bytes:
            frames = resources.enter_context(ReplayedReader(replay, path, self.reader))
        run.folder.check_held()
        journal = Journal(
            path,
            content,
            durable_every_s=run.job.durable_every_s,
            durable_every_frames=run.job.durable_every_frames,
            damage=lambda: self.reader.damage,
        )
        return frames, resources.enter_context(journal)

    def _new_journal(self) -> JournalContent:
        run, is_live = self.run, self._live is not None
        if isinstance(run.job.batch_size, int):
            batch_size = run.job.batch_size
        elif run.follow is not None and not is_live:
            batch_size = run.follow.batch_size
        elif run.job.batch_size is None or run.export.depends_on_batch or is_live:
            batch_size = usual_batch_size(self.reader.image_shape)
        else:
            batch_size = probe_batch_size(run.model, self.reader.image_shape)
        return JournalContent(
            len(run.model.body_parts),
            batch_size,
            has_looks=run.follow is not None,
            is_live=is_live,
        )

    def _calibration(self) -> Calibration | None:
        """Measure what following needs, once, or read what was measured before."""
        follow = self.run.follow
        if follow is None or not follow.is_calibrated:
            return None
        path = self.run.folder.calibration(self.number)
        found = read_calibration(path)
        if found is None:
            found = undisturbed(self._calibrate, follow)
            self.run.folder.check_held()
            write_calibration(path, found)
        return found

    def _calibrate(self, follow: FollowSettings) -> Calibration:
        with open_movie(self.reader.info, self.run.job.crop_rect) as reader:
            return calibrate(reader, self.run.model, follow)
