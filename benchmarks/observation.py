"""A process seen from outside: its memory and its cores' time, and that it may be stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live_report import LiveReport, Pause

_SAMPLE_EVERY_S = 5.0


@dataclass(frozen=True)
class Stop:
    """When posestream is stopped, in seconds after the recording began, and for how long."""

    after_s: float
    duration_s: float


@dataclass(frozen=True)
class Sample:
    """A process at one moment.

    Attributes
    ----------
    time_s
        By time.monotonic().
    resident_mib
        Memory that it has resident, as the system tells it.
    core_s
        Seconds of cores that it has used.
    stolen_s
        Seconds of cores that the host of a virtual machine has kept for others since it began.
    """

    time_s: float
    resident_mib: float
    core_s: float
    stolen_s: float


class Observation:
    """Looks at a process every 5 s, and stops it for a while when that is due. Linux only.

    Attributes
    ----------
    samples
        What was seen.
    pause
        When it was stopped; None unless it was, and goes on again.
    """

    def __init__(
        self,
        pid: int,
        stop: Stop | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        send: Callable[[int, int], None] = os.kill,
        look: Callable[[int], tuple[float, float] | None] | None = None,
        stolen_s: Callable[[], float] | None = None,
    ) -> None:
        self._pid = pid
        self._stop = stop
        self._clock, self._send = clock, send
        self._look = look or resident_mib_and_core_s
        self._stolen_s = stolen_s or host_stolen_s
        self._begun_s = self._sample_s = clock()
        self._stopped_s: float | None = None
        self.samples: list[Sample] = []
        self.pause: Pause | None = None

    def go_on(self) -> None:
        """Do what is due."""
        now_s = self._clock()
        if now_s >= self._sample_s:
            self._sample_s += _SAMPLE_EVERY_S
            seen = self._look(self._pid)
            if seen is not None:
                self.samples.append(Sample(now_s, *seen, self._stolen_s()))
        if self._stop is not None and self.pause is None:
            self._stop_or_continue(self._stop, now_s)

    def _stop_or_continue(self, stop: Stop, now_s: float) -> None:
        if self._stopped_s is None:
            if now_s >= self._begun_s + stop.after_s:
                self._stopped_s = now_s
                self._send(self._pid, signal.SIGSTOP)
        elif now_s >= self._stopped_s + stop.duration_s:
            self.pause = Pause(self._stopped_s, now_s)
            self._send(self._pid, signal.SIGCONT)


def resident_mib_and_core_s(pid: int) -> tuple[float, float] | None:
    """Ask the system; None if the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    resident_kib = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    if not resident_kib:  # it has ended, but its exit code was not asked for yet
        return None
    return int(resident_kib[0]) / 1024, (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def host_stolen_s() -> float:
    """Tell how many seconds of cores the host has kept for others (``steal`` of /proc/stat)."""
    total = Path("/proc/stat").read_text().split(maxsplit=9)
    return int(total[8]) / os.sysconf("SC_CLK_TCK")


def stolen_cores(samples: Sequence[Sample], report: LiveReport) -> list[float | None]:
    """Tell how many cores the host kept for others, on the mean of each minute."""

    def mean(begun_s: float, ended_s: float) -> float | None:
        between = [one for one in samples if begun_s <= one.time_s <= ended_s + _SAMPLE_EVERY_S]
        if len(between) < 2:
            return None
        first, last = between[0], between[-1]
        return (last.stolen_s - first.stolen_s) / (last.time_s - first.time_s)

    return report.minutes(mean)


def memory(samples: Sequence[Sample], report: LiveReport, recorded_s: float) -> dict[str, Any]:
    """Tell how much memory was resident: the median of each minute, and the most."""

    def median(begun_s: float, ended_s: float) -> float | None:
        values = [one.resident_mib for one in samples if begun_s <= one.time_s < ended_s]
        return float(np.median(values)) if values else None

    while_recorded = [one.resident_mib for one in samples if one.time_s <= recorded_s]
    return {
        "minutes_mib": report.minutes(median),
        "most_while_recorded_mib": max(while_recorded, default=None),
        "most_mib": max((one.resident_mib for one in samples), default=None),
    }


def cores(samples: Sequence[Sample], begun_s: float, ended_s: float) -> float | None:
    """Tell how many cores were at work on the mean."""
    between = [one for one in samples if begun_s <= one.time_s <= ended_s]
    if len(between) < 2:
        return None
    first, last = between[0], between[-1]
    return (last.core_s - first.core_s) / (last.time_s - first.time_s)
