"""The composition root of a live run: from a recording that goes on to all outputs of a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from engine.builtin import MODEL_DIR
from engine.follow.settings import FollowSettings, follow_settings, load_for
from engine.inference import ModelExport, PoseModel, read_export
from engine.job.job import Job
from engine.job.overlay_style import overlay_style
from engine.live_runs.all_movies import Followed, Following
from engine.live_runs.audience import Audience
from engine.live_runs.options import LiveOptions
from engine.machine.memory import naming_lack_of_memory
from engine.machine.threads import undisturbed
from engine.run_folder.identity import identify
from engine.run_folder.live_journal import settle_movies
from engine.run_folder.unfinished import RunRecord
from engine.run_folder.workplace import Workplace
from engine.runs.all_movies import Production, model_warnings
from engine.runs.job_sinks import JobSinks, output_directory
from engine.runs.result import RunResult, run_result
from engine.watch.status_line import LiveProgress
from readers import InputError
from readers.live import open_live


def follow(
    job: Job,
    options: LiveOptions,
    progress: LiveProgress,
    *,
    load: Callable[[ModelExport, str], PoseModel] | None = None,
) -> RunResult:
    """Follow a recording: poses are published as its frames come, and all outputs made at its end.

    The recording has ended when the recorder has closed it, when nothing has come for a while, or
    at the first interrupt. Outputs are those of a run of what was recorded. Frames that were
    skipped are NaN in them, and what is needed to fill them in stays in the output directory.

    Parameters
    ----------
    job
        What to do; its movies stand for those that will be recorded.
    options
        What to follow, and who is told.
    progress
        Shows how it goes.
    load
        Loads an export on a runtime; None for the usual way, so that one frame is done as soon as
        can be.

    Raises
    ------
    InputError
        If the source, the model, the output directory, a parameter or a publisher cannot be used.
    RunError
        If nothing comes, an output cannot be written any more, the model gives poses that cannot
        be, or the system gives no more memory.
    Interrupted
        After a second interrupt.
    """
    load = load or partial(load_for, job, is_prompt=True)
    with naming_lack_of_memory():
        return _LiveRun(job, options, progress, load).run()


class _LiveRun:
    """One live run; checks in its constructor, works in `run`."""

    def __init__(
        self,
        job: Job,
        options: LiveOptions,
        progress: LiveProgress,
        load: Callable[[ModelExport, str], PoseModel],
    ) -> None:
        self._job, self._options, self._progress = job, options, progress
        self._load = load
        self._source = open_live(
            options.source,
            crop=job.crop_rect,
            end_after_s=options.end_after_s,
            newest_only=options.skips,
            recording=lambda number: job.output_dir / f"recording.{number}.mkv",
        )
        self._source.check()
        self._export = read_export(job.model or MODEL_DIR)
        self._follow = _uncalibrated(follow_settings(job, self._export))
        style = overlay_style(job, self._export.body_parts)
        self._place = Workplace(job, output_directory(job.output_dir))
        self._place.check([])
        self._place.outputs.check_apart(job.inputs, options.named_files)
        self._check_recordings()
        folder = self._place.folder
        self._sinks = JobSinks(job, self._export, style, folder.outputs, on_whole=folder.note_whole)
        self._audience = Audience(options, self._export, style, self._sinks, progress)

    def run(self) -> RunResult:
        with self._audience, closing(self._load(self._export, self._job.runtime)) as model:
            identity = identify(self._job, self._export, model.runtime, [], None, is_live=True)
            earlier = self._place.earlier
            earlier.check(self._job.output_dir, identity, None)
            if earlier.unfinished is not None and earlier.unfinished.is_finished:
                raise self._has_ended()
            with self._place.working([]):
                return self._work(model, identity)

    def _work(self, model: PoseModel, identity: dict[str, Any]) -> RunResult:
        record = self._place.go_on() or self._place.begin(identity, is_live=True)
        for message in model_warnings(self._job, self._export, []):
            self._audience.warn(message)
        following = Following(
            job=self._job,
            options=self._options,
            source=self._source,
            model=model,
            sinks=self._sinks,
            folder=self._place.folder,
            audience=self._audience,
            record=record,
            follow=self._follow,
        )
        followed = following.run()
        return self._finish(model, following.record, followed)

    def _finish(self, model: PoseModel, record: RunRecord, followed: list[Followed]) -> RunResult:
        """Make all outputs of what was recorded."""
        self._audience.note("the recording has ended; making the outputs")
        movies = [movie.as_recorded() for movie in followed]
        self._place.outputs.check_apart(movie.path for movie in movies)
        folder, outputs = self._place.folder, self._place.outputs
        undisturbed(settle_movies, folder, movies, ends_at_skipped=False)
        production = Production(
            job=replace(self._job, movies=[movie.path for movie in movies]),
            export=self._export,
            movies=movies,
            sinks=self._sinks,
            folder=folder,
            progress=self._progress,
            has_told=True,
            follow=self._follow,
        )
        production.make(model, record)
        self._place.move_outputs(production.written(outputs))
        if any(result.counts.skipped.num_frames for result in production.results):
            folder.keep_live_journals(record)
        else:
            folder.remove()
        return run_result(production, outputs)

    def _check_recordings(self) -> None:
        """Check that no recording would be written over: that may be all there is of a session."""
        for path in sorted(self._job.output_dir.glob("recording.*.mkv")):
            if self._source.is_recorded:
                raise InputError(
                    f"output directory {self._job.output_dir}: already holds a recording "
                    f"({path.name}); choose another"
                )

    def _has_ended(self) -> InputError:
        return InputError(
            f"output directory {self._job.output_dir}: its recording has ended; "
            "go on with posestream run MOVIE --resume"
        )


def _uncalibrated(follow: FollowSettings | None) -> FollowSettings | None:
    """Do without a calibration: of a recording that begins there are no frames to look at first."""
    return None if follow is None else replace(follow, is_calibrated=False)
