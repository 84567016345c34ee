"""A camera that records its next frame when the live run has got to a point."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.recorder import Recorder, open_recorder
from engine import Job, RunResult, live
from engine.inference import ModelExport, PoseModel
from engine.watch.progress import Progress
from engine.watch.status import StatusSnapshot
from tests.engine.stopping import CountingModel
from tests.small_movies import HEIGHT, WIDTH, pictures

GUARD_S = 60
LAG = {".ts": 2}
"""Frames that FFmpeg's demuxer holds back."""
START = {".mp4": 30, ".mkv": 15, ".ts": 30}
"""Frames that FFmpeg looks at before it gives the first."""
FRAME_RATE = 30


class Watcher(Progress):
    """Keeps what a live run says."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.last: StatusSnapshot | None = None

    def show(self, snapshot: StatusSnapshot) -> None:
        self.last = snapshot

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def note(self, message: str) -> None:
        self.notes.append(message)


@dataclass
class Camera:
    """Records pictures into a file, as many as it is allowed to, then closes it.

    Attributes
    ----------
    path
        The file; its suffix chooses the kind.
    num_frames
        Frames in all, those that the recorder loses included.
    dropped
        Which those are.
    ahead
        How many frames may be in the file that the model has not seen.
    at_end
        Called instead of closing the file, which is closed at the end of the block.
    """

    path: Path
    num_frames: int = 20
    dropped: Collection[int] = ()
    ahead: int = 1
    at_end: Callable[[], None] | None = None
    num_recorded: int = field(default=0, init=False)
    num_seen: int = field(default=0, init=False)
    error: BaseException | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._is_let_go = False
        self._begun = threading.Event()
        self._recorder: Recorder | None = None

    def see(self, num_images: int) -> None:
        """Take note that the model has seen so many frames."""
        with self._changed:
            self.num_seen = num_images
            self._changed.notify_all()

    def wait_until_recorded(self, num_frames: int) -> None:
        """Wait until so many frames are in the file."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.num_recorded >= num_frames, GUARD_S)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record within the block; all that is left is recorded at its end."""
        thread = threading.Thread(target=self._work, name="camera")
        thread.start()
        try:
            assert self._begun.wait(GUARD_S)
            yield
        finally:
            with self._changed:
                self._is_let_go = True
                self._changed.notify_all()
            thread.join(GUARD_S)
            if self._recorder is not None:
                self._recorder.close()
        assert not thread.is_alive()
        if self.error is not None:
            raise self.error

    def _may_record(self) -> bool:
        suffix = self.path.suffix
        assert self._recorder is not None
        ready = self.ahead + self._recorder.lag + LAG.get(suffix, 0)
        if not self.num_seen:
            ready = max(ready, START.get(suffix, 0))
        return self._is_let_go or self.num_recorded - self.num_seen < ready

    def _work(self) -> None:
        try:
            self._record()
        except BaseException as error:
            self.error = error
            self._begun.set()

    def _record(self) -> None:
        self._recorder = recorder = open_recorder(self.path, WIDTH, HEIGHT, FRAME_RATE)
        self._begun.set()
        for index, picture in enumerate(pictures(self.num_frames)):
            with self._changed:
                assert self._changed.wait_for(self._may_record, GUARD_S)
            if index in self.dropped:
                recorder.drop()
            else:
                recorder.write(picture)
                with self._changed:
                    self.num_recorded += 1
                    self._changed.notify_all()
        if self.at_end is None:
            recorder.close()
        else:
            self.at_end()


@dataclass
class SeeingLoader:
    """Loads a model that tells the camera what it has seen, and may stop the run."""

    camera: Camera | None = None
    stop_after: int | None = None
    error: type[BaseException] = RuntimeError
    on_seen: Callable[[int], None] = lambda _: None
    model: CountingModel | None = None

    def __call__(self, export: ModelExport, runtime: str) -> PoseModel:  # noqa: ARG002 -- a loader
        self.model = _Seeing(export.body_parts, self._stop, self._see)
        return self.model

    @property
    def num_images(self) -> int:
        return 0 if self.model is None else self.model.num_images

    def _stop(self, num_images: int) -> None:
        if self.stop_after is not None and num_images >= self.stop_after:
            raise self.error

    def _see(self, num_images: int) -> None:
        if self.camera is not None:
            self.camera.see(num_images)
        self.on_seen(num_images)


class _Seeing(CountingModel):
    def __init__(
        self,
        body_parts: tuple[str, ...],
        stop: Callable[[int], None],
        see: Callable[[int], None],
    ) -> None:
        super().__init__(body_parts, stop)
        self._see = see

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        poses = super().predict(images)
        self._see(self.num_images)
        return poses


def live_job(output_dir: Path, **options: Any) -> Job:
    return Job([Path("recording")], output_dir, **{"window_length": 5} | options)


def run_job(movie: Path, live_run: Job) -> Job:
    """Give the run of a recorded movie that does what a live run did."""
    return replace(live_run, movies=[movie], resume=False)


def run_live(
    camera: Camera,
    job: Job,
    loader: SeeingLoader | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> RunResult:
    """Run a job while a camera records that was begun before."""
    return live(
        job,
        camera.path,
        watcher or Watcher(),
        load=loader or SeeingLoader(camera),
        **{"end_after_s": GUARD_S} | options,
    )


def record_live(
    camera: Camera,
    job: Job,
    loader: SeeingLoader | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> RunResult:
    """Run a job while a camera records."""
    with camera.recording():
        return run_live(camera, job, loader, watcher, **options)
