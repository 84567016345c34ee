"""The cost of a whole run, from the start of its process to the last output."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.bench.inference import load_null_model
from engine.job.job import Job
from engine.machine.system import peak_mib
from engine.pipeline.batch_size import Cost
from engine.runs.run import run
from engine.watch.progress import Progress


@dataclass(frozen=True)
class WholeJob:
    """The costs of a run.

    Attributes
    ----------
    total
        The whole process, with its start.
    steady
        From the first frames that were through to the last: what a longer movie goes on with.
    startup
        Until the movie was opened: Python, libraries, checks, model.
    first_pose_s
        Seconds from the start of the process until the first poses had gone to every output.
    peak_mib
        The most memory that the process has held.
    follow
        What following the animal came to, in one line; None where it was not followed.
    """

    total: Cost
    steady: Cost
    startup: Cost
    first_pose_s: float
    peak_mib: float
    follow: str | None = None


def measure_whole_job(
    tell: Callable[[int], None], job: Job, most_frames: int, is_null: bool, started_s: float
) -> WholeJob:
    """Run a job as the command does, on the first frames of its movie.

    Parameters
    ----------
    tell
        Is told how many frames are through.
    job
        What to do.
    most_frames
        Frames after which to stop.
    is_null
        Do without the model: constant poses.
    started_s
        When this process was started, by ``time.time``.
    """
    progress = _Diary(tell, started_s)
    load = load_null_model if is_null else None
    result = run(job, progress, load=load, most_frames=most_frames)
    num_frames, follow = result.movies[0].num_frames, result.movies[0].follow
    first, last = progress.first, progress.last
    steady = Cost(
        max(last.num_frames - first.num_frames, 1),
        max(last.wall_s - first.wall_s, 1e-9),
        last.core_s - first.core_s,
    )
    return WholeJob(
        total=progress.now(num_frames),
        steady=steady if last.num_frames > first.num_frames else progress.now(num_frames),
        startup=replace(progress.opened, num_frames=num_frames),
        first_pose_s=first.wall_s,
        peak_mib=peak_mib(),
        follow=None if follow is None else follow.as_text(),
    )


class _Diary(Progress):
    """The time and processor time at the first and the latest frames of a run."""

    def __init__(self, tell: Callable[[int], None], started_s: float) -> None:
        self._tell, self._started_s = tell, started_s
        self.opened = self.first = self.last = Cost(0, 0.0, 0.0)

    def now(self, num_frames: int) -> Cost:
        """Note the time since the process was started."""
        return Cost(num_frames, time.time() - self._started_s, time.process_time())

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:  # noqa: ARG002 -- a Progress
        """Note that the movie is open."""
        self.opened = self.now(0)

    def advance(self, done: int) -> None:
        """Note the first and the latest frames that are through."""
        if done > self.last.num_frames:
            self.last = self.now(done)
            if self.first.num_frames == 0:
                self.first = self.last
            self._tell(done)
