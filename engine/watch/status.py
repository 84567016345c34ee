"""The status of a live run (frames in and out, backlog, latency, memory), and its file."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from engine.machine.memory import resident_mib
from engine.run_folder.output_names import write_marked
from engine.watch.latency import Latency, LatencyPercentiles, Rate
from readers import FrameStatus
from readers.live import now_s
from sinks import OutputError, PoseBatch

MADE_BY = "live"
"""The command that makes status files."""
_FILE_INTERVAL_S = 1.0
_SAMPLE_EVERY_S = 0.1
_MOST_WARNINGS = 20


class Recording(Protocol):
    """A movie that is being recorded, which can be asked from any thread."""

    @property
    def num_arrived(self) -> int:
        """Frames so far, from the movie's first one on."""

    @property
    def ended_by(self) -> str | None:
        """The end of the recording, in a word; None while it goes on."""


@dataclass(frozen=True)
class StatusSnapshot:
    """A live run at one moment.

    Attributes
    ----------
    time_s
        The moment, in seconds since 1970-01-01 UTC.
    movie, movie_number
        Name of the movie's file, and its number within the run, from 0; None before the first.
    num_arrived
        Frames of the movie that have arrived; an estimate where they wait in a file.
    num_published
        Frames of the movie whose poses were given away by this run.
    num_skipped
        Frames of the movie that were not looked at.
    backlog
        Frames of the movie that have arrived and are neither published nor skipped.
    fps_in, fps_out
        Frames per second that arrived, and that were published, over the last 5 s; None before
        there are two moments to compare.
    latency
        From arrival to publication, of the frames of the last minute; None without any.
    num_unsent
        Messages of the run that subscribers did not get, since they were slow or gone.
    batch_size
        Frames that the model was last given at once; None before the first.
    memory_mib
        Memory that the process holds; NaN where the system does not tell.
    ended_by
        How the movie's recording has ended; None while it goes on.
    is_over
        Whether the run is over, and its files are all that they will be.
    warnings
        The last 20 of the run, a line each.
    """

    time_s: float
    movie: str | None
    movie_number: int | None
    num_arrived: int
    num_published: int
    num_skipped: int
    backlog: int
    fps_in: float | None
    fps_out: float | None
    latency: LatencyPercentiles | None
    num_unsent: int
    batch_size: int | None
    memory_mib: float
    ended_by: str | None
    is_over: bool
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Give it as plain JSON values: what is not known is null, latencies are in ms."""
        values = asdict(self)
        del values["latency"]
        for name in ("fps_in", "fps_out", "memory_mib"):
            value = values[name]
            is_known = value is not None and math.isfinite(value)
            values[name] = round(value, 1) if is_known else None
        values["time_s"] = round(self.time_s, 3)
        values["warnings"] = list(self.warnings)
        values["latency_ms"] = self.latency and {
            "p50": round(self.latency.p50_s * 1000, 2),
            "p95": round(self.latency.p95_s * 1000, 2),
            "p99": round(self.latency.p99_s * 1000, 2),
        }
        return values


class Status:
    """Gathers what a live run does, batch by batch, and tells it to any thread.

    Parameters
    ----------
    num_unsent
        Tells how many messages the run's subscribers did not get.
    clock
        Tells the time in seconds since 1970-01-01 UTC.
    memory_mib
        Tells how much memory the process holds.
    """

    def __init__(
        self,
        *,
        num_unsent: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = now_s,
        memory_mib: Callable[[], float] = resident_mib,
    ) -> None:
        self._num_unsent = num_unsent
        self._clock = clock
        self._memory_mib = memory_mib
        self._latency = Latency()
        self._rate_in, self._rate_out = Rate(), Rate()
        self._warnings: deque[str] = deque(maxlen=_MOST_WARNINGS)
        self._lock = Lock()  # of all below
        self._movie: str | None = None
        self._movie_number: int | None = None
        self._recording: Recording | None = None
        self._num_arrived = self._num_published = self._num_skipped = self._num_through = 0
        self._num_arrived_before = self._num_published_before = 0
        self._batch_size: int | None = None
        self._ended_by: str | None = None
        self._is_over = False
        self._sampled_s = -math.inf

    def begin_movie(
        self, name: str, number: int, recording: Recording, num_known_frames: int = 0
    ) -> None:
        """Begin a movie, of whose frames an earlier run has done the first `num_known_frames`."""
        self.end_movie()
        with self._lock:
            self._num_arrived_before += self._num_arrived
            self._num_published_before += self._num_published
            self._movie, self._movie_number, self._recording = name, number, recording
            self._num_arrived = self._num_published = self._num_skipped = 0
            self._num_through = num_known_frames
            self._ended_by = None
        self._sample(self._clock())

    def published(self, batch: PoseBatch, publish_time_s: float) -> None:
        """Count a published batch's frames, and take the latencies of those that were looked at."""
        frames = batch.frames
        is_seen = frames.status != FrameStatus.SKIPPED
        num_seen = int(np.count_nonzero(is_seen))
        if num_seen and frames.arrival_time_s is not None:
            self._latency.add(publish_time_s - frames.arrival_time_s[is_seen], publish_time_s)
        with self._lock:
            self._num_published += num_seen
            self._num_skipped += len(frames) - num_seen
            self._num_through = frames.first_frame_index + len(frames)
            self._batch_size = num_seen or self._batch_size
        if publish_time_s - self._sampled_s >= _SAMPLE_EVERY_S:
            self._sample(publish_time_s)

    def end_movie(self) -> None:
        """End the movie: keep its last numbers, and release it."""
        recording = self._recording
        if recording is not None:
            num_arrived, ended_by = recording.num_arrived, recording.ended_by
            with self._lock:
                self._num_arrived, self._ended_by = num_arrived, ended_by
                self._recording = None

    def warn(self, message: str) -> None:
        """Keep a warning."""
        with self._lock:
            self._warnings.append(message)

    def end(self) -> None:
        """End the run."""
        self.end_movie()
        with self._lock:
            self._is_over = True

    def backlog(self) -> int:
        """Tell how many frames wait; cheaper than all of a snapshot."""
        num_arrived, _ = self._ask()
        with self._lock:
            return self._waiting(num_arrived)

    def snapshot(self) -> StatusSnapshot:
        """Tell how the run is doing."""
        time_s = self._clock()
        num_arrived, ended_by = self._sample(time_s)
        latency = self._latency.percentiles(time_s)
        num_unsent, memory_mib = self._num_unsent(), self._memory_mib()
        with self._lock:
            return StatusSnapshot(
                time_s=time_s,
                movie=self._movie,
                movie_number=self._movie_number,
                num_arrived=num_arrived,
                num_published=self._num_published,
                num_skipped=self._num_skipped,
                backlog=self._waiting(num_arrived),
                fps_in=self._rate_in.per_s(),
                fps_out=self._rate_out.per_s(),
                latency=latency,
                num_unsent=num_unsent,
                batch_size=self._batch_size,
                memory_mib=memory_mib,
                ended_by=ended_by,
                is_over=self._is_over,
                warnings=tuple(self._warnings),
            )

    def _sample(self, time_s: float) -> tuple[int, str | None]:
        """Note the totals for the rates; return what `_ask` does."""
        num_arrived, ended_by = self._ask()
        with self._lock:
            self._sampled_s = time_s
            self._rate_in.note(time_s, self._num_arrived_before + num_arrived)
            self._rate_out.note(time_s, self._num_published_before + self._num_published)
        return num_arrived, ended_by

    def _ask(self) -> tuple[int, str | None]:
        """Ask the recording how many frames have arrived and how it has ended."""
        recording = self._recording
        if recording is None:
            return self._num_arrived, self._ended_by
        return recording.num_arrived, recording.ended_by

    def _waiting(self, num_arrived: int) -> int:
        return max(0, num_arrived - self._num_through)


class StatusFile:
    """Keeps a JSON file up to date, at most once a second; it is whole whenever it is read.

    It is not flushed to the disk: after a power cut it may be gone, and means nothing any more.

    Parameters
    ----------
    path
        The file. What stands there is replaced, if it is a file.
    warn
        Is told, in one line, that the file cannot be written any more: the run goes on.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._shown_s = -math.inf
        self._was_written = False
        self._is_failing = False

    def show(self, snapshot: StatusSnapshot) -> None:
        """Write the snapshot, unless the last one is younger than a second; the last one always.

        Raises
        ------
        OutputError
            If it cannot be written the first time; later that is warned of.
        """
        if snapshot.time_s - self._shown_s < _FILE_INTERVAL_S and not snapshot.is_over:
            return
        self._shown_s = snapshot.time_s
        try:
            write_marked(self._path, MADE_BY, snapshot.as_json())
        except OutputError as error:
            if not self._was_written:
                raise
            if not self._is_failing:
                self._is_failing = True
                self._warn(str(error))
        else:
            self._was_written, self._is_failing = True, False
