"""The composition root: a job becomes readers, a model, stages and sinks, and runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

from engine.builtin import MODEL_DIR
from engine.follow.settings import follow_settings, load_for
from engine.inference import ModelExport, PoseModel, read_export
from engine.job.job import Job
from engine.job.overlay_style import overlay_style
from engine.machine.memory import naming_lack_of_memory
from engine.machine.threads import undisturbed
from engine.run_folder.identity import identify
from engine.run_folder.live_journal import settle_movies
from engine.run_folder.workplace import Workplace
from engine.runs.all_movies import Production
from engine.runs.disk_space import space_warning
from engine.runs.job_sinks import JobSinks, output_directory
from engine.runs.result import RunResult, run_result
from engine.watch.progress import Progress, SilentProgress
from readers import inspect_movies


def run(
    job: Job,
    progress: Progress | None = None,
    *,
    load: Callable[[ModelExport, str], PoseModel] | None = None,
    most_frames: int | None = None,
) -> RunResult:
    """Run a job: every movie is decoded once, and all outputs are written as its frames come.

    Everything that can be checked is checked before the output directory is touched. Until all
    outputs are whole, they and the poses so far are in a folder of the output directory, with
    which a run that was stopped can be resumed.

    Parameters
    ----------
    job
        What to do.
    progress
        Is told how far the run is; None for nobody.
    load
        Loads an export on a runtime; None for the usual way.
    most_frames
        Every movie is taken to end after as many frames.

    Raises
    ------
    InputError
        If a movie, the model, the output directory or a parameter cannot be used.
    RunError
        If a movie cannot be read or an output cannot be written any more once the work has begun,
        the model gives poses that cannot be, or the system gives no more memory.
    Interrupted
        After an interrupt, when what the model had in hand is safe.
    """
    with naming_lack_of_memory():
        return _Run(job, progress or SilentProgress(), load, most_frames).run()


class _Run:
    """One run of a job; checks in its constructor, works in `run`."""

    def __init__(
        self,
        job: Job,
        progress: Progress,
        load: Callable[[ModelExport, str], PoseModel] | None,
        most_frames: int | None,
    ) -> None:
        self._job = job
        self._progress = progress
        self._movies = undisturbed(inspect_movies, job.movies)
        if job.crop_rect is not None:
            for movie in self._movies:
                job.crop_rect.check_inside(movie)
        self._load = load or partial(load_for, job, image_shapes=self._image_shapes())
        self._export = read_export(job.model or MODEL_DIR)
        follow = follow_settings(job, self._export)
        style = overlay_style(job, self._export.body_parts)
        self._place = Workplace(job, output_directory(job.output_dir))
        folder = self._place.folder
        self._production = Production(
            job=job,
            export=self._export,
            movies=self._movies,
            sinks=JobSinks(job, self._export, style, folder.outputs, on_whole=folder.note_whole),
            folder=folder,
            progress=progress,
            most_frames=most_frames,
            follow=follow,
        )
        self._place.check(self._movies)

    def run(self) -> RunResult:
        earlier = self._place.earlier
        model = self._load(self._export, self._job.runtime)
        with closing(model):
            identity = self._identity(model.runtime)
            earlier.check(self._job.output_dir, identity, self._movies)
            if earlier.finished is None:
                self._work(model, identity)
            else:
                self._place.confirm(self._production.written(self._place.outputs))
        return run_result(self._production, self._place.outputs)

    def _image_shapes(self) -> list[tuple[int, ...]]:
        """Tell the sizes of the pictures that will come, each once."""
        crop = self._job.crop_rect
        parts = self._movies if crop is None else [crop]
        return list(dict.fromkeys((part.height, part.width, 3) for part in parts))

    def _identity(self, runtime: str) -> dict[str, Any]:
        most_frames = self._production.most_frames
        return undisturbed(
            identify,
            self._job,
            self._export,
            runtime,
            self._movies,
            most_frames,
            is_live=self._place.earlier.is_live,
        )

    def _work(self, model: PoseModel, identity: dict[str, Any]) -> None:
        written = self._production.written(self._place.outputs)
        if self._place.earlier.unfinished is None:
            self._warn_of_space()
        with self._place.working(self._movies):
            record = self._place.go_on(written) or self._place.begin(identity)
            earlier = self._place.earlier.unfinished
            if earlier is not None and earlier.is_finished and not record.is_finished:
                self._progress.note("outputs were removed or changed by others: making them again")
            if not record.is_finished:
                if record.is_live:
                    undisturbed(
                        settle_movies, self._place.folder, self._movies, ends_at_skipped=True
                    )
                self._production.make(model, record)
            self._place.move_outputs(written)
            self._place.folder.remove()

    def _warn_of_space(self) -> None:
        warning = space_warning(self._job, self._movies, len(self._export.body_parts))
        if warning is not None:  # not one of the results' own: it depends on the disk
            self._progress.warn(warning)
