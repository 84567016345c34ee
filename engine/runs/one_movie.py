"""One movie's way through a run, whether it is recorded or still being recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from engine.follow.calibration import (
    Calibration,
    calibrate,
    calibrated,
    read_calibration,
    write_calibration,
)
from engine.follow.settings import FollowSettings
from engine.follow.stage import FollowingPrediction, make_prediction
from engine.follow.tally import FollowTally
from engine.inference import ModelExport, PoseModel, usual_batch_size
from engine.job.job import Job
from engine.machine.interrupts import undisturbed
from engine.pipeline.batch_size import probe_batch_size
from engine.pipeline.median import MedianFilter
from engine.pipeline.pipeline import Lane, Live, Pipeline, PoseStage
from engine.pipeline.prediction import Prediction
from engine.run_folder.identity import MovieResult
from engine.run_folder.journal import Journal, JournalContent, read_journal
from engine.run_folder.replay import ReplayedReader, plan_replay
from engine.run_folder.unfinished import UnfinishedRun
from engine.runs.job_sinks import FanOut
from engine.watch.progress import Progress
from readers import MovieInfo, MovieReader, open_movie
from readers.live import LiveMovie
from sinks import FrameCounts


@dataclass(frozen=True)
class RunContext:
    """What is the same for all movies of a run.

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
    sinks: FanOut
    folder: UnfinishedRun
    progress: Progress
    follow: FollowSettings | None
    most_frames: int | None = None
    fills: bool = False


class MovieWatch(Protocol):
    """Is told how far a movie is, from the calling thread; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def advance(self, num_frames: int) -> None:
        """Take note of how many frames are through; called several times a second."""

    def tell_of_stop(self) -> None:
        """Say that an interrupt was heard."""


@dataclass(frozen=True)
class MovieWork:
    """What is to become of one movie.

    Attributes
    ----------
    number
        The movie's number within the run, from 0.
    reader
        Gives the frames: of a recorded movie not open yet, of a live one open.
    lanes
        Makes the sinks, with the one that counts frames, by the threads that write to them.
    watch
        Told how many frames an earlier run has done, makes what is told how far the movie is.
    first_stages
        Stages that have each pose before it is in the journal.
    reads_on_demand
        Of a live movie: whether the newest frame counts where the machine is too slow.
    """

    number: int
    reader: MovieReader | LiveMovie
    lanes: Callable[[FrameCounts], list[Lane]]
    watch: Callable[[int], MovieWatch]
    first_stages: Sequence[PoseStage] = ()
    reads_on_demand: bool = False

    @property
    def live(self) -> LiveMovie | None:
        """The movie, if it is still being recorded."""
        return self.reader if isinstance(self.reader, LiveMovie) else None


def one_movie(run: RunContext, work: MovieWork) -> MovieResult:
    """Take a movie from where a stopped run left it, or from its start, to its sinks.

    Raises
    ------
    BaseException
        As `Pipeline.run`.
    """
    path, reader = run.folder.journal(work.number), work.reader
    content = read_journal(path) or _new_journal(run, work)
    replay = plan_replay(
        run.folder, work.number, content, run.sinks.num_drawn_frames, fills=run.fills
    )
    with ExitStack() as stack:
        if work.live is None and replay.needs_movie:
            stack.enter_context(work.reader)
        journal = stack.enter_context(_journal(run, work, content))
        frames = stack.enter_context(ReplayedReader(replay, path, reader))
        calibration = None if work.live else _calibration(run, work.number, reader.info)
        follow = calibrated(run.follow, calibration)
        counts, tally = FrameCounts(), FollowTally(follow, calibration)
        prediction = make_prediction(run.model, follow, 0 if work.live else content.batch_size)
        watch = stack.enter_context(work.watch(content.num_frames))
        stages = [*work.first_stages, journal, tally]
        _pipeline(run, work, content, frames, prediction, stages, counts, watch).run()
    damage = content.damage if content.is_ended else reader.damage
    return MovieResult(reader.info, counts, damage, None if run.follow is None else tally)


def _pipeline(
    run: RunContext,
    work: MovieWork,
    content: JournalContent,
    frames: ReplayedReader,
    prediction: Prediction | FollowingPrediction,
    stages: Sequence[PoseStage],
    counts: FrameCounts,
    watch: MovieWatch,
) -> Pipeline:
    live = work.live
    median = MedianFilter(max(1, run.job.window_length))
    batch_length = content.batch_size if live is None else 1  # up to date, it has one frame
    num_held = prediction.num_held_batches(batch_length, frames.image_shape)

    def cancel() -> None:
        if live is not None:
            live.cancel()
        run.model.close()

    run.folder.check_held()
    return Pipeline(
        reader=frames,
        predict=prediction,
        stages=[*stages, median],
        lanes=work.lanes(counts),
        batch_size=content.batch_size,
        num_held_batches=num_held + median.num_held_batches(batch_length),
        on_progress=watch.advance,
        on_stop=watch.tell_of_stop,
        cancel_work=cancel,
        live=None if live is None else Live(live.receive, live.stop, work.reads_on_demand),
    )


def _journal(run: RunContext, work: MovieWork, content: JournalContent) -> Journal:
    run.folder.check_held()
    return Journal(
        run.folder.journal(work.number),
        content,
        durable_every_s=run.job.durable_every_s,
        durable_every_frames=run.job.durable_every_frames,
        damage=lambda: work.reader.damage,
    )


def _new_journal(run: RunContext, work: MovieWork) -> JournalContent:
    return JournalContent(
        len(run.model.body_parts),
        _batch_size(run, work),
        has_looks=run.follow is not None,
        is_live=work.live is not None,
    )


def _batch_size(run: RunContext, work: MovieWork) -> int:
    chosen, is_live = run.job.batch_size, work.live is not None
    if isinstance(chosen, int):
        return chosen
    if run.follow is not None and not is_live:
        return run.follow.batch_size
    if chosen is None or run.export.depends_on_batch or is_live:
        return usual_batch_size(work.reader.image_shape)
    return probe_batch_size(run.model, work.reader.image_shape)


def _calibration(run: RunContext, number: int, movie: MovieInfo) -> Calibration | None:
    """Measure what following needs, once, or read what was measured before."""
    if run.follow is None or not run.follow.is_calibrated:
        return None
    path = run.folder.calibration(number)
    found = read_calibration(path)
    if found is None:
        found = undisturbed(_calibrate, run, movie, run.follow)
        run.folder.check_held()
        write_calibration(path, found)
    return found


def _calibrate(run: RunContext, movie: MovieInfo, follow: FollowSettings) -> Calibration:
    with open_movie(movie, run.job.crop_rect) as reader:
        return calibrate(reader, run.model, follow)
