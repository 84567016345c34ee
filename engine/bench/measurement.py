"""The measurement of what this machine does with a movie and a model."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.bench.costs import (
    BATCH_SIZES,
    InferenceCost,
    StageCosts,
    WholeJob,
    batch_size,
    measure_inference,
    measure_stages,
    measure_whole_job,
)
from engine.bench.report import Report
from engine.builtin import MODEL_DIR
from engine.errors import RunError
from engine.follow.settings import follow_settings
from engine.inference import read_export, usual_batch_size
from engine.job.job import RUNTIMES, Job
from engine.job.overlay_style import overlay_style
from engine.machine.system import num_cores
from engine.machine.workers import ChildDiedError, run_in_child, undisturbed
from engine.pipeline.batch_size import best_batch_size
from engine.untrusted.quoting import printable
from engine.watch.progress import Progress
from readers import InputError, inspect_movie, open_movie

STAGES_S = 8.0
INFERENCE_S = 3.0
WHOLE_JOB_S = 20.0


def measure(job: Job, progress: Progress, *, is_null: bool, most_frames: int | None) -> Report:
    """Measure each stage alone on the job's own movie and model, then the whole job.

    Every measurement has a process of its own. Outputs go to a temporary directory and are thrown
    away. The job has one movie; its runtime and batch size are kept where they are given, and
    chosen by what is measured where they are not. With `is_null` poses are constant, to measure
    everything around the model. The whole job has `most_frames`; None for as many as take some
    twenty seconds.

    Raises `InputError` if the movie, the model or a parameter cannot be used, and `RunError` if
    neither runtime can run the model, or the movie cannot be read any more.
    """
    with TemporaryDirectory(prefix="posestream-bench-", ignore_cleanup_errors=True) as folder:
        kept = replace(job, output_dir=Path(folder) / "outputs", overwrite=True)
        return _Measurement(kept, progress, is_null, most_frames).report()


class _Measurement:
    """Checks in its constructor, measures in `report`."""

    def __init__(
        self, job: Job, progress: Progress, is_null: bool, most_frames: int | None
    ) -> None:
        if len(job.movies) != 1:
            raise InputError(f"{len(job.movies)} movies: a benchmark takes exactly one")
        self._job, self._progress, self._is_null = job, progress, is_null
        self._movie = undisturbed(inspect_movie, job.movies[0])
        self._image_shape = open_movie(self._movie, job.crop_rect).image_shape
        self._export = read_export(job.model or MODEL_DIR)
        overlay_style(job, self._export.body_parts)
        follow_settings(job, self._export)
        self._most_frames = most_frames
        self._notes: list[str] = []
        self._inference: list[InferenceCost] = []
        job.output_dir.mkdir(parents=True, exist_ok=True)

    def report(self) -> Report:
        job, most_frames = self._job, self._most_frames or sys.maxsize
        name = f"stages one by one, for {STAGES_S:.0f} s"
        given = job, self._movie, most_frames, STAGES_S
        stages: StageCosts = self._in_child(
            name, self._expected_frames(self._most_frames), measure_stages, *given
        )
        chosen = None if self._is_null else self._choose()
        if chosen is not None:
            job = replace(job, runtime=chosen.runtime, batch_size=chosen.batch_size)
        length = self._whole_job_length(job, stages, chosen)
        whole_job = self._measure_whole_job("whole job", replace(job, follow="off"), length)
        followed = None
        if job.follow != "off" and not self._is_null:
            job = replace(job, batch_size=self._job.batch_size)
            followed = self._measure_whole_job("followed", job, length)
        model = "null (constant poses)" if self._is_null else self._export.directory.name
        return Report(
            movie=self._movie,
            image_shape=self._image_shape,
            model=printable(model),
            num_cores=num_cores(),
            stages=stages,
            inference=self._inference,
            chosen=chosen,
            whole_job=whole_job,
            followed=followed,
            notes=self._notes,
        )

    def _choose(self) -> InferenceCost:
        """Choose the faster runtime, and there the best batch size, by measuring them."""
        given = self._job.runtime
        for runtime in [one for one in RUNTIMES if one != "auto" and given in ("auto", one)]:
            self._measure_inference(runtime)
        if not self._inference:
            raise RunError("; ".join(self._notes))
        fastest = max(self._inference, key=lambda cost: cost.cost.frames_per_s)
        by_size = {
            cost.batch_size: cost for cost in self._inference if cost.runtime == fastest.runtime
        }
        costs = {size: cost.cost for size, cost in by_size.items()}
        return by_size[best_batch_size(costs, usual=usual_batch_size(self._image_shape))]

    def _measure_inference(self, runtime: str) -> None:
        given = self._job.batch_size
        sizes = (given,) if isinstance(given, int) else BATCH_SIZES
        done: list[InferenceCost] = []

        def take(cost: InferenceCost) -> None:
            done.append(cost)
            self._progress.advance(len(done))

        measured = self._export.directory, runtime, self._image_shape, sizes, INFERENCE_S
        name, unit = f"inference on {runtime}", "batch sizes"
        try:
            note = self._in_child(
                name, len(sizes), measure_inference, *measured, unit=unit, tell=take
            )
        except ChildDiedError:
            size = sizes[min(len(done), len(sizes) - 1)]
            note = (
                f"{runtime}: the process was stopped at batch {size}, most likely for lack "
                "of memory"
            )
        except RunError as error:
            note = f"{runtime}: {error}"
        self._inference += done
        if note:
            self._notes.append(note)

    def _whole_job_length(self, job: Job, stages: StageCosts, chosen: InferenceCost | None) -> int:
        """Tell the frames of the whole job: what was asked for, or what takes some seconds."""
        if self._most_frames is not None:
            return self._most_frames
        core_s = sum(cost.core_s_per_frame for cost in stages.by_stage.values())
        if chosen is not None:
            core_s += chosen.cost.core_s_per_frame
        least = 2 * (batch_size(job, self._image_shape) + job.window_length)
        return max(math.ceil(WHOLE_JOB_S * num_cores() / core_s), least)

    def _measure_whole_job(self, name: str, job: Job, most_frames: int) -> WholeJob | None:
        expected = self._expected_frames(most_frames)
        measured = job, most_frames, self._is_null, time.time()
        try:
            whole_job: WholeJob = self._in_child(name, expected, measure_whole_job, *measured)
        except ChildDiedError:
            note = f"{name}: the process was stopped, most likely for lack of memory"
            predicts = job.follow == "off"
            self._notes.append(f"{note}; predictions are by the stages alone" if predicts else note)
            return None
        num_frames = whole_job.total.num_frames
        if num_frames < most_frames:
            asked = "asked for" if self._most_frames else "wanted"
            self._notes.append(
                f"the movie has {num_frames} frames, fewer than the {most_frames} {asked}: "
                "the whole job was measured on all of them"
            )
        return whole_job

    def _expected_frames(self, wanted: int | None) -> int | None:
        return min(filter(None, (self._movie.num_frames_from_header, wanted)), default=None)

    def _in_child(
        self,
        name: str,
        total: int | None,
        function: Callable[..., Any],
        *arguments: object,
        unit: str = "frames",
        tell: Callable[[Any], None] | None = None,
    ) -> Any:
        """Call a function in a process of its own, and tell how far it is."""
        self._progress.begin(name, total, unit)
        try:
            return run_in_child(function, *arguments, tell=tell or self._progress.advance)
        finally:
            self._progress.end()
