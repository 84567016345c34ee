"""How a live run tells the user how it is doing."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from typing import IO, NoReturn, Protocol

from tqdm import tqdm
from tqdm.utils import disp_len, disp_trim

from engine.untrusted.quoting import printable
from engine.watch.latency import LatencyPercentiles
from engine.watch.progress import BarProgress, PlainProgress, Progress, SilentProgress
from engine.watch.status import StatusSnapshot

_TERMINAL_INTERVAL_S = 0.2
_PLAIN_INTERVAL_S = 10.0
_USUAL_COLUMNS = 80


class LiveProgress(Progress, Protocol):
    """Is told about work as it goes, and how a live run is doing."""

    def show(self, snapshot: StatusSnapshot) -> None:
        """Tell it, unless that was done a moment ago and nothing has begun or ended since."""


class SilentStatus(SilentProgress):
    """Tells nobody anything."""

    def show(self, snapshot: StatusSnapshot) -> None:
        """Pass over it."""


class StatusLine(BarProgress):
    """One line at the bottom of a terminal that is written over.

    It is no wider than the terminal: what matters least is left out first.
    """

    def __init__(self, stream: IO[str], columns: Callable[[], int] | None = None) -> None:
        super().__init__(stream)
        self._columns = columns or (lambda: _terminal_columns(stream))
        self._pace = _Pace(_TERMINAL_INTERVAL_S)
        self._line: tqdm[NoReturn] | None = None

    def show(self, snapshot: StatusSnapshot) -> None:
        """Write the line anew, unless there is a bar; that of a movie that has ended stays."""
        if self._bar is not None or not self._pace.is_due(snapshot):
            return
        if self._line is None:
            self._line = tqdm(file=self._stream, bar_format="{desc}", desc="")
        # The last column stays free: some terminals go to the next line when it is written.
        self._line.set_description_str(status_text(snapshot, self._columns() - 1))
        if snapshot.ended_by is not None or snapshot.is_over:
            self._leave_line()

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:
        """Leave the line as it is, and draw a bar."""
        self._leave_line()
        super().begin(name, total, unit, done)

    def end(self) -> None:
        """Leave bar and line as they are."""
        self._leave_line()
        super().end()

    def _leave_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class PlainStatus(PlainProgress):
    """A line every ten seconds, for logs and pipes."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream)
        self._pace = _Pace(_PLAIN_INTERVAL_S)

    def show(self, snapshot: StatusSnapshot) -> None:
        """Print a line if the last one is long ago, or a movie has begun or ended."""
        if self._pace.is_due(snapshot):
            self._say(status_text(snapshot))


class _Pace:
    """Tells whether it is time to show a snapshot."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._shown_s = -math.inf
        self._shown: tuple[object, ...] = ()

    def is_due(self, snapshot: StatusSnapshot) -> bool:
        stage = (snapshot.movie_number, snapshot.ended_by, snapshot.is_over)
        if stage == self._shown and snapshot.time_s - self._shown_s < self._interval_s:
            return False
        self._shown, self._shown_s = stage, snapshot.time_s
        return True


def status_text(snapshot: StatusSnapshot, columns: int | None = None) -> str:
    """Put a snapshot into one line of at most as many columns; None for as many as it takes."""
    name = printable(snapshot.movie or "waiting")
    parts = [part for part in _parts(snapshot) if part is not None]
    while True:
        line = f"{name}: " + ", ".join(text for _, text in parts)
        if columns is None or disp_len(line) <= columns:
            return line
        if len(parts) == 1:
            return disp_trim(line, max(0, columns))
        parts.remove(max(parts))


def _parts(snapshot: StatusSnapshot) -> list[tuple[int, str] | None]:
    """Give the parts of the line in order, each with a rank: the highest is left out first."""
    latency, memory_mib = snapshot.latency, snapshot.memory_mib
    return [
        (0, f"{snapshot.num_arrived:,} frames"),
        (5, f"in {_per_s(snapshot.fps_in)}"),
        (3, f"out {_per_s(snapshot.fps_out)}"),
        (1, f"behind {snapshot.backlog:,}"),
        (2, f"latency {_milliseconds(latency)}") if latency else None,
        (1 if snapshot.num_skipped else 6, f"skipped {snapshot.num_skipped:,}"),
        (4, f"unsent {snapshot.num_unsent:,}") if snapshot.num_unsent else None,
        (7, f"{memory_mib:,.0f} MiB") if math.isfinite(memory_mib) else None,
        (1, f"ended ({snapshot.ended_by})") if snapshot.ended_by else None,
    ]


def _per_s(rate: float | None) -> str:
    return "?/s" if rate is None else f"{rate:.1f}/s"


def _milliseconds(latency: LatencyPercentiles) -> str:
    values_s = (latency.p50_s, latency.p95_s, latency.p99_s)
    return "/".join(f"{value_s * 1000:,.1f}" for value_s in values_s) + " ms (p50/p95/p99)"


def _terminal_columns(stream: IO[str]) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_COLUMNS
    except (OSError, ValueError):  # no terminal, or no file at all
        return _USUAL_COLUMNS


def live_progress_for(stream: IO[str] | None = None) -> LiveProgress:
    """Give what suits a stream: a live line on a terminal, plain lines elsewhere."""
    stream = stream if stream is not None else sys.stderr
    if stream is None:  # as where standard error was closed by `2>&-`
        return SilentStatus()
    return StatusLine(stream) if stream.isatty() else PlainStatus(stream)
