"""The report on a live run by its messages: latency minute by minute, and missing frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.subscriber import Messages

MINUTE_S = 60.0
_QUIET = 0.02
"""Cores that a host may keep for others in a minute that is called quiet."""
_PERCENTILES = (50, 95, 99, 100)


@dataclass(frozen=True)
class Pause:
    """From when to when a program was stopped, by time.monotonic()."""

    begun_s: float
    ended_s: float


class LiveReport:
    """Compares what a recorder wrote with what a subscriber was told of it.

    The live run's clock has an offset of its own: the message that came fastest is taken to have
    taken no time, so that published times are late by what that one took, some 0.1 ms.

    Parameters
    ----------
    written_s
        For each frame when the system had its last byte, by time.monotonic().
    messages
        What the subscriber was told; at least one.
    warm_up_s
        Frames of so many first seconds are left out of the latencies: the model is being loaded,
        and what was written meanwhile is caught up on.
    pause
        When the live run was stopped on purpose; frames from then on until it has caught up are
        left out of the latencies, too.

    Raises
    ------
    ValueError
        If there is no message.
    """

    def __init__(
        self,
        written_s: NDArray[np.float64],
        messages: Messages,
        *,
        warm_up_s: float,
        pause: Pause | None = None,
    ) -> None:
        if not messages.frame:
            raise ValueError("nothing was published")
        self._written_s = written_s
        self._messages = messages
        self._pause = pause
        self._frame = np.array(messages.frame)
        self._is_of_frame = self._frame < len(written_s)
        arrival_s, publish_s, received_s = messages.times_s()
        self._published_s = publish_s + (received_s - publish_s).min()
        # A frame's time decides in which minute it counts.
        self._written_of_message_s = np.full(len(self._frame), np.nan)
        written = written_s[self._frame[self._is_of_frame]]
        self._written_of_message_s[self._is_of_frame] = written
        self._latencies_s = {
            "arrival_to_publication": publish_s - arrival_s,
            "writing_to_publication": self._published_s - self._written_of_message_s,
            "writing_to_reception": received_s - self._written_of_message_s,
        }
        self._warm_s = float(written_s[0]) + warm_up_s
        self._is_steady = self._written_of_message_s >= self._warm_s
        if pause is not None:
            caught_up_s = self._first_prompt_s(pause.ended_s)
            self._is_steady &= (self._published_s < pause.begun_s) | (
                self._written_of_message_s > (np.inf if caught_up_s is None else caught_up_s)
            )

    def frames(self) -> dict[str, Any]:
        """Count frames: those of the recorder, and what is wrong with those that were told of."""
        told, counts = np.unique(self._frame, return_counts=True)
        is_expected = told < len(self._written_s)
        first = int(self._frame[0])
        return {
            "written": len(self._written_s),
            "received": len(self._frame),
            "before_first_received": first,
            "lost": len(self._written_s) - first - int(np.sum(is_expected & (told >= first))),
            "twice": int(np.sum(counts > 1)),
            "out_of_order": int(np.sum(np.diff(self._frame) < 0)),
            "unknown": int(np.sum(~is_expected)),
            "by_status": dict(self._messages.num_by_status),
        }

    def latencies(self) -> dict[str, Any]:
        """Tell percentiles in milliseconds: over all, of each whole minute, and the drift.

        Minutes begin with the end of the warm-up. The drift is p99 of the last 60 s over that of
        the first 60 s; all of these are None where there are not two such minutes.
        """
        return {name: self._latency(values) for name, values in self._latencies_s.items()}

    def start(self) -> dict[str, float | None]:
        """Tell how long the first pose took, and until when what had waited was caught up on."""
        begun_s = float(self._written_s[0])
        caught_up_s = self._first_prompt_s(begun_s)
        return {
            "first_publication_s": float(self._published_s[0]) - begun_s,
            "caught_up_s": None if caught_up_s is None else caught_up_s - begun_s,
        }

    def stop(self) -> dict[str, Any] | None:
        """Tell how what was written during the pause was worked off; None without a pause.

        It is caught up on when a frame is published within a frame period of its writing.
        """
        pause = self._pause
        if pause is None:
            return None
        is_meanwhile = (self._written_s >= pause.begun_s) & (self._written_s < pause.ended_s)
        caught_up_s = self._first_prompt_s(pause.ended_s)
        is_behind = self._published_s >= pause.begun_s
        if caught_up_s is not None:
            is_behind &= self._published_s < caught_up_s
        behind = np.unique(self._frame[is_behind])
        duration_s = None if caught_up_s is None else caught_up_s - pause.ended_s
        return {
            "stopped_s": pause.ended_s - pause.begun_s,
            "written_meanwhile": int(is_meanwhile.sum()),
            "published_of_these": int(np.isin(np.flatnonzero(is_meanwhile), behind).sum()),
            "worked_off": len(behind),
            "caught_up_after_s": duration_s,
            "frames_per_s_meanwhile": len(behind) / duration_s if duration_s else None,
        }

    def minutes(self, tell: Callable[[float, float], Any]) -> list[Any]:
        """Ask for each whole minute after the warm-up, from when to when (time.monotonic())."""
        end_s = float(self._written_s[-1]) + 1e-6
        num_minutes = int((end_s - self._warm_s) / MINUTE_S)
        starts_s = (self._warm_s + MINUTE_S * minute for minute in range(num_minutes))
        return [tell(start_s, start_s + MINUTE_S) for start_s in starts_s]

    def _latency(self, values_s: NDArray[np.float64]) -> dict[str, Any]:
        def between(begun_s: float, ended_s: float) -> dict[str, float] | None:
            is_between = (self._written_of_message_s >= begun_s) & (
                self._written_of_message_s < ended_s
            )
            return _percentiles_ms(values_s[self._is_steady & is_between])

        end_s = float(self._written_s[-1]) + 1e-6
        first, last = None, None
        if end_s - self._warm_s >= 2 * MINUTE_S:
            first = between(self._warm_s, self._warm_s + MINUTE_S)
            last = between(end_s - MINUTE_S, end_s)
        return {
            "all_ms": _percentiles_ms(values_s[self._is_steady]),
            "first_minute_ms": first,
            "last_minute_ms": last,
            "drift_of_p99": last["p99"] / first["p99"] if first and last else None,
            "minutes_ms": self.minutes(between),
        }

    def _first_prompt_s(self, since_s: float) -> float | None:
        """Tell when, since then, a frame was first published before the next one was written."""
        period_s = float(np.median(np.diff(self._written_s))) if len(self._written_s) > 1 else 0.0
        is_prompt = self._published_s - self._written_of_message_s <= period_s
        prompt = np.flatnonzero(is_prompt & (self._published_s >= since_s))
        return float(self._published_s[prompt[0]]) if len(prompt) else None


def _percentiles_ms(values_s: NDArray[np.float64]) -> dict[str, float] | None:
    if not len(values_s):
        return None
    p50, p95, p99, largest = (1000 * np.percentile(values_s, _PERCENTILES)).tolist()
    return {"p50": p50, "p95": p95, "p99": p99, "max": largest}


def quiet_minutes(
    minutes_ms: Sequence[Mapping[str, float] | None], stolen_cores: Sequence[float | None]
) -> dict[str, Any] | None:
    """Tell of the minutes in which the machine's host left the machine its processor.

    In the others a frame may cost a hundred times as much, whatever program it is.

    Parameters
    ----------
    minutes_ms
        Percentiles of each minute.
    stolen_cores
        What the host kept for others in each minute, in cores.

    Returns
    -------
    dict or None
        How many such minutes there are, medians of their p50 and p99, the largest p99, and the last
        p99 over the first. None where there are none.
    """
    pairs = zip(minutes_ms, stolen_cores, strict=True)
    quiet = [minute for minute, cores in pairs if minute and cores is not None and cores < _QUIET]
    if not quiet:
        return None
    p99 = [minute["p99"] for minute in quiet]
    return {
        "num_minutes": len(quiet),
        "p50": float(np.median([minute["p50"] for minute in quiet])),
        "p99": float(np.median(p99)),
        "largest_p99": max(p99),
        "drift_of_p99": p99[-1] / p99[0],
    }


def ratios_to_own_time(
    latency_ms: Mapping[str, float] | None, own_p50_ms: float
) -> dict[str, float] | None:
    """Divide percentiles of a latency by what one frame costs at the least."""
    if latency_ms is None:
        return None
    return {name: value / own_p50_ms for name, value in latency_ms.items()}
