"""The status of a live run (frames in and out, backlog, latency, memory), and its file."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.machine.system import resident_mib
from engine.run_folder.output_names import write_marked
from readers import FrameStatus
from readers.live import now_s
from sinks import OutputError, PoseBatch

MADE_BY = "live"  # the command that makes status files
_FILE_INTERVAL_S = 1.0
_SAMPLE_EVERY_S = 0.1
_MOST_WARNINGS = 20


class LatencyPercentiles(NamedTuple):
    """Seconds that half, 95 % and 99 % of the frames took at most."""

    p50_s: float
    p95_s: float
    p99_s: float


class Latency:
    """Keeps the latencies of the last frames, for one thread that adds and any that ask.

    Frames that were published more than `window_s` seconds ago do not count. Memory is bounded, 16
    bytes a frame: where more than `capacity` frames come within the window, the percentiles are
    those of the last ones. The default holds a minute at 136 frames/s.
    """

    def __init__(self, window_s: float = 60.0, capacity: int = 8192) -> None:
        self._window_s = window_s
        self._latency_s = np.empty(capacity)
        self._publish_time_s = np.full(capacity, -math.inf)
        self._num_added = 0
        self._lock = Lock()

    def add(self, latency_s: NDArray[np.float64], publish_time_s: float) -> None:
        """Take the latencies of frames that were published together, in seconds.

        They have shape (frames,); NaN does not count. The time is of a clock that does not go back.
        """
        capacity = len(self._latency_s)
        latency_s = latency_s[-capacity:]
        with self._lock:
            places = (self._num_added + np.arange(len(latency_s))) % capacity
            self._latency_s[places] = latency_s
            self._publish_time_s[places] = publish_time_s
            self._num_added += len(latency_s)

    def percentiles(self, now_s: float) -> LatencyPercentiles | None:
        """Tell the percentiles of the window that ends now; None where it has no frames.

        They are interpolated linearly between frames, as by `numpy.percentile`.
        """
        with self._lock:
            latency_s, publish_time_s = self._latency_s.copy(), self._publish_time_s.copy()
        counts = (publish_time_s >= now_s - self._window_s) & ~np.isnan(latency_s)
        if not counts.any():
            return None
        return LatencyPercentiles(*map(float, np.percentile(latency_s[counts], (50, 95, 99))))


class Rate:
    """Frames per second, the mean over the last `window_s` seconds, told from a running total.

    Not thread-safe. Memory is bounded: totals noted within a tenth of a second are one.
    """

    _STEP_S = 0.1

    def __init__(self, window_s: float = 5.0) -> None:
        self._window_s = window_s
        self._totals: deque[tuple[float, int]] = deque()

    def note(self, time_s: float, total: int) -> None:
        """Note how many frames there have been up to now."""
        totals = self._totals
        if len(totals) > 1 and time_s - totals[-2][0] < self._STEP_S:
            totals.pop()
        totals.append((time_s, total))
        while len(totals) > 2 and totals[1][0] <= time_s - self._window_s:
            totals.popleft()

    def per_s(self) -> float | None:
        """Tell the rate at the last note; None before there is a second one.

        A total that went back, as an estimate may, is taken as none: a rate is never negative.
        """
        if len(self._totals) < 2:
            return None
        (first_s, first), (last_s, last) = self._totals[0], self._totals[-1]
        return max(0, last - first) / (last_s - first_s) if last_s > first_s else None


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
    """A live run at one moment; numbers of frames are those of the movie."""

    time_s: float = 0.0  # since 1970-01-01 UTC
    movie: str | None = None  # name of the movie's file; None before the first
    movie_number: int | None = None  # within the run, from 0
    num_arrived: int = 0  # an estimate where frames wait in a file
    num_published: int = 0  # frames whose poses were given away by this run
    num_skipped: int = 0  # frames that were not looked at
    backlog: int = 0  # frames that have arrived and are neither published nor skipped
    fps_in: float | None = None
    """Frames per second that arrived, over the last 5 s; None before there are two moments to
    compare. Likewise `fps_out`, of those that were published."""
    fps_out: float | None = None
    latency: LatencyPercentiles | None = None
    """From arrival to publication, of the frames of the last minute; None without any."""
    num_unsent: int = 0
    """Messages of the run that subscribers did not get, since they were slow or gone."""
    batch_size: int | None = None
    """Frames that the model was last given at once; None before the first."""
    memory_mib: float = math.nan
    """Memory that the process holds; NaN where the system does not tell."""
    ended_by: str | None = None  # the end of the movie's recording; None while it goes on
    is_over: bool = False  # whether the run is over, and its files are all that they will be
    warnings: tuple[str, ...] = ()  # the last 20 of the run, a line each

    def as_json(self) -> dict[str, object]:
        """Give it as plain JSON values: what is not known is null, latencies are in ms."""
        values = asdict(self)
        latency: LatencyPercentiles | None = values.pop("latency")
        for name in ("fps_in", "fps_out", "memory_mib"):
            value = values[name]
            is_known = value is not None and math.isfinite(value)
            values[name] = round(value, 1) if is_known else None
        values["time_s"] = round(self.time_s, 3)
        values["warnings"] = list(self.warnings)
        values["latency_ms"] = latency and {
            name.removesuffix("_s"): round(value_s * 1000, 2)
            for name, value_s in latency._asdict().items()
        }
        return values


class Status:
    """Gathers what a live run does, batch by batch, and tells it to any thread.

    `num_unsent` tells how many messages the run's subscribers did not get, `clock` the time in
    seconds since 1970-01-01 UTC, and `memory_mib` how much memory the process holds.
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
        self._lock = Lock()  # of the rates and all below
        self._kept = StatusSnapshot()  # but for what is asked for each time
        self._recording: Recording | None = None
        self._num_through = self._num_arrived_before = self._num_published_before = 0
        self._sampled_s = -math.inf

    def begin_movie(
        self, name: str, number: int, recording: Recording, num_known_frames: int = 0
    ) -> None:
        """Begin a movie, of whose frames an earlier run has done the first `num_known_frames`."""
        self.end_movie()
        with self._lock:
            kept = self._kept
            self._num_arrived_before += kept.num_arrived
            self._num_published_before += kept.num_published
            self._num_through, self._recording = num_known_frames, recording
            kept = replace(kept, movie=name, movie_number=number, ended_by=None)
            self._kept = replace(kept, num_arrived=0, num_published=0, num_skipped=0)
        self._sample(self._clock())

    def published(self, batch: PoseBatch, publish_time_s: float) -> None:
        """Count a published batch's frames, and take the latencies of those that were looked at."""
        frames = batch.frames
        is_seen = frames.status != FrameStatus.SKIPPED
        num_seen = int(np.count_nonzero(is_seen))
        if num_seen and frames.arrival_time_s is not None:
            self._latency.add(publish_time_s - frames.arrival_time_s[is_seen], publish_time_s)
        with self._lock:
            self._kept = replace(
                self._kept,
                num_published=self._kept.num_published + num_seen,
                num_skipped=self._kept.num_skipped + len(frames) - num_seen,
                batch_size=num_seen or self._kept.batch_size,
            )
            self._num_through = frames.first_frame_index + len(frames)
        if publish_time_s - self._sampled_s >= _SAMPLE_EVERY_S:
            self._sample(publish_time_s)

    def end_movie(self) -> None:
        """End the movie: keep its last numbers, and release it."""
        recording = self._recording
        if recording is not None:
            num_arrived, ended_by = recording.num_arrived, recording.ended_by
            with self._lock:
                self._kept = replace(self._kept, num_arrived=num_arrived, ended_by=ended_by)
                self._recording = None

    def warn(self, message: str) -> None:
        """Keep a warning."""
        with self._lock:
            warnings = (*self._kept.warnings, message)[-_MOST_WARNINGS:]
            self._kept = replace(self._kept, warnings=warnings)

    def end(self) -> None:
        """End the run."""
        self.end_movie()
        with self._lock:
            self._kept = replace(self._kept, is_over=True)

    def backlog(self) -> int:
        """Tell how many frames wait; cheaper than all of a snapshot. The rates take note."""
        return self._sample(self._clock()).backlog

    def snapshot(self) -> StatusSnapshot:
        """Tell how the run is doing."""
        time_s = self._clock()
        return replace(
            self._sample(time_s),
            time_s=time_s,
            latency=self._latency.percentiles(time_s),
            num_unsent=self._num_unsent(),
            memory_mib=self._memory_mib(),
        )

    def _sample(self, time_s: float) -> StatusSnapshot:
        """Ask the recording how far it is, and note the totals for the rates."""
        recording, asked = self._recording, dict[str, Any]()
        if recording is not None:
            asked = {"num_arrived": recording.num_arrived, "ended_by": recording.ended_by}
        with self._lock:
            now = replace(self._kept, **asked)
            self._sampled_s = time_s
            self._rate_in.note(time_s, self._num_arrived_before + now.num_arrived)
            self._rate_out.note(time_s, self._num_published_before + now.num_published)
            return replace(
                now,
                backlog=max(0, now.num_arrived - self._num_through),
                fps_in=self._rate_in.per_s(),
                fps_out=self._rate_out.per_s(),
            )


class StatusFile:
    """Keeps a JSON file up to date, at most once a second; it is whole whenever it is read.

    It is not flushed to the disk: after a power cut it may be gone, and means nothing any more.
    `warn` is told, in one line, that it cannot be written any more: the run goes on.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._shown_s = -math.inf
        self._is_whole: bool | None = None  # not written yet

    def show(self, snapshot: StatusSnapshot) -> None:
        """Write the snapshot, unless the last one is younger than a second; the last one always.

        Raises `OutputError` if it cannot be written the first time; later that is warned of.
        """
        if snapshot.time_s - self._shown_s < _FILE_INTERVAL_S and not snapshot.is_over:
            return
        self._shown_s = snapshot.time_s
        try:
            write_marked(self._path, MADE_BY, snapshot.as_json())
        except OutputError as error:
            if self._is_whole is None:
                raise
            if self._is_whole:
                self._is_whole = False
                self._warn(str(error))
        else:
            self._is_whole = True
