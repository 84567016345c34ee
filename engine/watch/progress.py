"""Progress and status of a run, as a bar and a line of a terminal or as plain lines."""

from __future__ import annotations

import math
import os
import sys
import time
from abc import abstractmethod
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, NoReturn

from tqdm import tqdm
from tqdm.utils import disp_len, disp_trim

from engine.untrusted.quoting import printable
from readers import MovieInfo
from sinks import ResourceHolder

if TYPE_CHECKING:  # a run of recorded movies does without
    from engine.watch.status import StatusSnapshot

_USUAL_COLUMNS = 80


class Progress:
    """Is told about work as it goes, and says nothing; others show what they are told."""

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:
        """Begin a movie, of as many frames as its header claims, or something else that counts.

        The first `done` of them are through: they do not count for speed.
        """

    def advance(self, done: int) -> None:
        """Tell how many of them are through."""

    def end(self) -> None:
        """End the movie, or give it up."""

    def note(self, message: str) -> None:
        """Say what happens now, in one line."""

    def warn(self, message: str) -> None:
        """Say something that the user should know, in one line; the run's result holds it too."""

    def show(self, snapshot: StatusSnapshot) -> None:
        """Tell how a live run is doing, unless that was done a moment ago and nothing is new."""


class _StreamProgress(Progress):
    """A progress that writes to a stream, and shows a snapshot of a live run where one is due."""

    interval_s: float

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._shown_s = -math.inf
        self._shown: tuple[object, ...] = ()

    def is_due(self, snapshot: StatusSnapshot) -> bool:
        """Tell whether it is time to show a snapshot, which then counts as shown."""
        stage = (snapshot.movie_number, snapshot.ended_by, snapshot.is_over)
        if stage == self._shown and snapshot.time_s - self._shown_s < self.interval_s:
            return False
        self._shown, self._shown_s = stage, snapshot.time_s
        return True

    def warn(self, message: str) -> None:
        """Print the warning."""
        self.note(f"warning: {message}")


class BarProgress(_StreamProgress):
    """A bar with frames per second and time left, for a terminal.

    While a movie is recorded, a line that is written over tells how the run is doing. It is no
    wider than the terminal: what matters least is left out first.
    """

    interval_s = 0.2

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream)
        self._bar: tqdm[NoReturn] | None = None
        self._line: tqdm[NoReturn] | None = None

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:
        """Leave the line as it is, and draw a bar."""
        self._leave_line()
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=printable(name),
            unit=f" {unit}",
            file=self._stream,
            dynamic_ncols=True,
            mininterval=self.interval_s,
        )

    def advance(self, done: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def end(self) -> None:
        """Leave bar and line as they are."""
        self._leave_line()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def note(self, message: str) -> None:
        """Print a line above the bar."""
        tqdm.write(printable(message), file=self._stream)

    def show(self, snapshot: StatusSnapshot) -> None:
        """Write the line anew, unless there is a bar; that of a movie that has ended stays."""
        if self._bar is not None or not self.is_due(snapshot):
            return
        if self._line is None:
            self._line = tqdm(file=self._stream, bar_format="{desc}", desc="")
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns or _USUAL_COLUMNS
        except (OSError, ValueError):  # no terminal, or no file at all
            columns = _USUAL_COLUMNS
        # The last column stays free: some terminals go to the next line when it is written.
        self._line.set_description_str(status_text(snapshot, columns - 1))
        if snapshot.ended_by is not None or snapshot.is_over:
            self._leave_line()

    def _leave_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class PlainProgress(_StreamProgress):
    """A line every ten seconds, for logs and pipes."""

    interval_s = 10.0

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:
        """Name the movie."""
        self._name, self._total, self._unit, self._done = name, total, unit, done
        self._begun_at = done
        self._begun_s = self._told_s = time.monotonic()
        self.note(f"{name}: {total if total is not None else 'unknown number of'} {unit}")

    def advance(self, done: int) -> None:
        """Print a line if the last one is long ago."""
        self._done = done
        now_s = time.monotonic()
        if now_s - self._told_s >= self.interval_s:
            self._told_s = now_s
            self._tell(now_s - self._begun_s)

    def end(self) -> None:
        """Print the last line."""
        self._tell(time.monotonic() - self._begun_s)

    def note(self, message: str) -> None:
        """Print it."""
        print(printable(message), file=self._stream, flush=True)

    def show(self, snapshot: StatusSnapshot) -> None:
        """Print a line if the last one is long ago, or a movie has begun or ended."""
        if self.is_due(snapshot):
            self.note(status_text(snapshot))

    def _tell(self, elapsed_s: float) -> None:
        num_through, total, unit = self._done - self._begun_at, self._total, self._unit
        rate = num_through / elapsed_s if elapsed_s > 0 else 0.0
        left = ""
        if total and num_through > 0 and self._done < total:
            left = f", about {tqdm.format_interval((total - self._done) / rate)} left"
        of_total = f"/{total}" if total else ""
        self.note(f"{self._name}: {self._done}{of_total} {unit}, {rate:.1f} {unit}/s{left}")


def status_text(snapshot: StatusSnapshot, columns: int | None = None) -> str:
    """Put a snapshot into one line of at most as many columns; None for as many as it takes."""
    name = printable(snapshot.movie or "waiting")
    latency, memory_mib = snapshot.latency, snapshot.memory_mib
    latency_ms = "/".join(f"{value_s * 1000:,.1f}" for value_s in latency or ())
    rates = (snapshot.fps_in, snapshot.fps_out)
    rate_in, rate_out = ("?/s" if rate is None else f"{rate:.1f}/s" for rate in rates)
    ranked = [  # each with a rank: the highest is left out first
        (0, f"{snapshot.num_arrived:,} frames"),
        (5, f"in {rate_in}"),
        (3, f"out {rate_out}"),
        (1, f"behind {snapshot.backlog:,}"),
        (2, f"latency {latency_ms} ms (p50/p95/p99)") if latency else None,
        (1 if snapshot.num_skipped else 6, f"skipped {snapshot.num_skipped:,}"),
        (4, f"unsent {snapshot.num_unsent:,}") if snapshot.num_unsent else None,
        (7, f"{memory_mib:,.0f} MiB") if math.isfinite(memory_mib) else None,
        (1, f"ended ({snapshot.ended_by})") if snapshot.ended_by else None,
    ]
    parts = [part for part in ranked if part is not None]
    while True:
        line = f"{name}: " + ", ".join(text for _, text in parts)
        if columns is None or disp_len(line) <= columns:
            return line
        if len(parts) == 1:
            return disp_trim(line, max(0, columns))
        parts.remove(max(parts))


def progress_for() -> Progress:
    """Give the progress that suits standard error: a bar on a terminal, plain lines elsewhere."""
    stream: IO[str] | None = sys.stderr
    if stream is None:  # closed, as by `2>&-`
        return Progress()
    return BarProgress(stream) if stream.isatty() else PlainProgress(stream)


class MovieWatch(ResourceHolder):
    """Is told how far one movie is, from the calling thread."""

    @abstractmethod
    def advance(self, num_frames: int) -> None:
        """Tell how many frames are through; called several times a second."""

    @abstractmethod
    def tell_of_stop(self) -> None:
        """Say that an interrupt was heard."""


class MovieProgress(MovieWatch):
    """The progress of one movie: first the frames that a stopped run has done, then the others.

    They are two pieces of work: the first goes so much faster that no time left could be given.
    """

    def __init__(self, progress: Progress, movie: MovieInfo, num_known_frames: int) -> None:
        self._progress = progress
        self._name = movie.path.name
        self._num_frames = movie.num_frames_from_header
        self._num_known_frames = num_known_frames
        self._is_known = num_known_frames > 0

    def open(self, resources: ExitStack) -> None:
        """Begin the movie."""
        if self._is_known:
            self._progress.begin(f"{self._name}, what is done", self._num_known_frames)
        else:
            self._progress.begin(self._name, self._num_frames)
        resources.callback(self._progress.end)

    def advance(self, num_frames: int) -> None:
        """Tell how many frames are through."""
        if self._is_known and num_frames > self._num_known_frames:
            self._is_known = False
            self._progress.advance(self._num_known_frames)
            self._progress.end()
            self._progress.begin(self._name, self._num_frames, done=self._num_known_frames)
        self._progress.advance(num_frames)

    def tell_of_stop(self) -> None:
        """Say that an interrupt was heard."""
        self._progress.note("stopping after the batch in hand; once more stops at once")
