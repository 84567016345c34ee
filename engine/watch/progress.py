"""Progress of a run, as a bar or as plain lines."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import IO, NoReturn, Protocol

from tqdm import tqdm

from engine.untrusted.quoting import printable
from readers import MovieInfo
from sinks import ResourceHolder

_PLAIN_INTERVAL_S = 10.0


class Progress(Protocol):
    """Is told about work as it goes."""

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
        """Say something that the user should know, in one line."""


class SilentProgress:
    """Says nothing; for callers from Python."""

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:
        """Begin."""

    def advance(self, done: int) -> None:
        """Go on."""

    def end(self) -> None:
        """End."""

    def note(self, message: str) -> None:
        """Pass over it."""

    def warn(self, message: str) -> None:
        """Pass over a warning; the run's result holds it too."""


class BarProgress:
    """A bar with frames per second and time left, for a terminal."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._bar: tqdm[NoReturn] | None = None

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:
        """Draw a bar."""
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=printable(name),
            unit=f" {unit}",
            unit_scale=False,
            file=self._stream,
            dynamic_ncols=True,
            mininterval=0.2,
        )

    def advance(self, done: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def end(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def note(self, message: str) -> None:
        """Print a line above the bar."""
        tqdm.write(printable(message), file=self._stream)

    def warn(self, message: str) -> None:
        """Print a line above the bar."""
        tqdm.write(printable(f"warning: {message}"), file=self._stream)


class PlainProgress:
    """A line now and then, for logs and pipes."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:
        """Name the movie."""
        self._name, self._total, self._unit, self._done = name, total, unit, done
        self._begun_at = done
        self._begun_s = self._told_s = time.monotonic()
        self._say(f"{name}: {total if total is not None else 'unknown number of'} {unit}")

    def advance(self, done: int) -> None:
        """Print a line if the last one is long ago."""
        self._done = done
        now_s = time.monotonic()
        if now_s - self._told_s >= _PLAIN_INTERVAL_S:
            self._told_s = now_s
            self._say(self._line(now_s - self._begun_s))

    def end(self) -> None:
        """Print the last line."""
        self._say(self._line(time.monotonic() - self._begun_s))

    def note(self, message: str) -> None:
        """Print it."""
        self._say(message)

    def warn(self, message: str) -> None:
        """Print the warning."""
        self._say(f"warning: {message}")

    def _line(self, elapsed_s: float) -> str:
        num_through = self._done - self._begun_at
        rate = num_through / elapsed_s if elapsed_s > 0 else 0.0
        if self._total and num_through > 0 and self._done < self._total:
            left_s = (self._total - self._done) / rate
            left = f", about {tqdm.format_interval(left_s)} left"
        else:
            left = ""
        total = f"/{self._total}" if self._total else ""
        unit = self._unit
        return f"{self._name}: {self._done}{total} {unit}, {rate:.1f} {unit}/s{left}"

    def _say(self, line: str) -> None:
        print(printable(line), file=self._stream, flush=True)


def progress_for(stream: IO[str] | None = None) -> Progress:
    """Give the progress that suits a stream: a bar on a terminal, plain lines elsewhere."""
    stream = stream if stream is not None else sys.stderr
    if stream is None:  # as where standard error was closed by `2>&-`
        return SilentProgress()
    return BarProgress(stream) if stream.isatty() else PlainProgress(stream)


class MovieProgress(ResourceHolder):
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
