"""One movie's way through a run, whether it is recorded or still being recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Protocol

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
from engine.machine.interrupts import undisturbed
from engine.pipeline.batch_size import probe_batch_size
from engine.pipeline.median import MedianFilter
from engine.pipeline.pipeline import Lane, Live, Pipeline, PoseStage
from engine.run_folder.journal import Journal, JournalContent, read_journal
from engine.run_folder.replay import ReplayedReader, plan_replay
from engine.run_folder.unfinished import UnfinishedRun
from engine.runs.job_sinks import FanOut
from engine.watch.progress import Progress
from readers import MovieInfo, MovieReader, open_movie
from readers.live import LiveMovie


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


class MovieWatch(AbstractContextManager[object], Protocol):
    """Is told how far a movie is, from the calling thread."""

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
        The sinks, by the threads that write to them.
    watch
        Told how many frames an earlier run has done, makes what is told how far the movie is.
    first_stages
        Stages that have each pose before it is in the journal.
    reads_on_demand
        Of a live movie: whether the newest frame counts where the machine is too slow.
    """

    number: int
    reader: MovieReader | LiveMovie
    lanes: Sequence[Lane]
    watch: Callable[[int], MovieWatch]
    first_stages: Sequence[PoseStage] = ()
    reads_on_demand: bool = False


@dataclass(frozen=True)
class MovieEnd:
    """How the way of a movie has ended.

    Attributes
    ----------
    damage
        What is wrong with its file as a whole, in one line; None for nothing.
    tally
        How its frames were looked at; None where all were looked at whole.
    """

    damage: str | None
    tally: FollowTally | None


def one_movie(run: RunContext, work: MovieWork) -> MovieEnd:
    """Take a movie from where a stopped run left it, or from its start, to its sinks.

    Raises
    ------
    BaseException
        As `Pipeline.run`.
    """
    job, folder, reader = run.job, run.folder, work.reader
    live = reader if isinstance(reader, LiveMovie) else None
    path = folder.journal(work.number)
    content = read_journal(path) or _new_journal(run, reader, is_live=live is not None)
    replay = plan_replay(
        folder, work.number, content, run.sinks.num_drawn_frames, fills=run.fills
    )
    with ExitStack() as stack:
        if live is None and replay.needs_movie:
            stack.enter_context(reader)
        folder.check_held()
        journal = stack.enter_context(
            Journal(
                path,
                content,
                durable_every_s=job.durable_every_s,
                durable_every_frames=job.durable_every_frames,
                damage=lambda: reader.damage,
            )
        )
        frames = stack.enter_context(ReplayedReader(replay, path, reader))
        calibration = None if live else _calibration(run, work.number, reader.info)
        follow = calibrated(run.follow, calibration)
        tally = FollowTally(follow, calibration)
        prediction = make_prediction(run.model, follow, 0 if live else content.batch_size)
        median = MedianFilter(max(1, job.window_length))
        watch = stack.enter_context(work.watch(content.num_frames))
        batch_length = 1 if live else content.batch_size  # up to date, a batch has one frame
        Pipeline(
            reader=frames,
            predict=prediction,
            stages=[*work.first_stages, journal, tally, median],
            lanes=work.lanes,
            batch_size=content.batch_size,
            num_held_batches=prediction.num_held_batches(batch_length, reader.image_shape)
            + median.num_held_batches(batch_length),
            on_progress=watch.advance,
            on_stop=watch.tell_of_stop,
            cancel_work=[run.model.close] if live is None else [live.cancel, run.model.close],
            live=live and Live(live.receive, live.stop, work.reads_on_demand),
        ).run()
    damage = content.damage if content.is_ended else reader.damage
    return MovieEnd(damage, None if run.follow is None else tally)


def _new_journal(
    run: RunContext, reader: MovieReader | LiveMovie, *, is_live: bool
) -> JournalContent:
    return JournalContent(
        len(run.model.body_parts),
        _batch_size(run, reader.image_shape, is_live=is_live),
        has_looks=run.follow is not None,
        is_live=is_live,
    )


def _batch_size(run: RunContext, image_shape: tuple[int, int, int], *, is_live: bool) -> int:
    if isinstance(run.job.batch_size, int):
        return run.job.batch_size
    if run.follow is not None and not is_live:
        return run.follow.batch_size
    if run.job.batch_size is None or run.export.depends_on_batch or is_live:
        return usual_batch_size(image_shape)
    return probe_batch_size(run.model, image_shape)


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
