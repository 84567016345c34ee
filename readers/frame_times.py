"""The times of a movie's frames, and the time from one to the next."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from av.video.stream import VideoStream

from readers.container.avi_index import chunks_per_frame
from readers.errors import MovieError

_SHORTEST_S = Fraction(1, 1_000_000)
_LONGEST_S = Fraction(86_400)
UNKNOWN_S = Fraction(1, 25)
"""Where nothing tells it: what a movie is then shown at."""
WITHOUT_TIMES = ("h264", "hevc", "m4v", "mpegvideo", "mjpeg", "mpjpeg", "jpeg_pipe", "vc1", "vvc")
"""Formats whose times, and mean rate, FFmpeg makes up."""
_HIGHEST_RATE = 1000
"""What tells more, without telling how many frames there are, tells the unit of its times."""


def check_frame_period(path: Path, period_s: Fraction) -> None:
    """Raise `MovieError` unless the period lies between a microsecond and a day."""
    if not _SHORTEST_S <= period_s <= _LONGEST_S:
        raise MovieError(
            path,
            f"claims {float(period_s):.3g} s from frame to frame; "
            "allowed are 1e-06 (a microsecond) to 86400 (a day)",
        )


def frame_period_s(path: Path, stream: VideoStream, step_s: Fraction | None = None) -> Fraction:
    """Give the nominal time from frame to frame of a stream that was opened.

    That is the mean of its frames, which FFmpeg knows where there are a few of them; otherwise
    what the pictures' own headers tell. FFmpeg's guess, which takes fields for frames, comes last.

    `step_s` is the time between the first frames, or that the first is shown for, where known.
    Raises `MovieError` if the period is impossible.
    """
    mean, guessed = stream.average_rate, stream.guessed_rate
    own = stream.codec_context.framerate
    name = stream.container.format.name
    is_made_up = name in WITHOUT_TIMES and own
    is_unit = mean and mean > _HIGHEST_RATE and name != "avi" and not stream.frames
    period_s = UNKNOWN_S
    if mean and mean > 0 and not is_made_up and not is_unit:
        period_s = chunks_per_frame(stream)[0] / Fraction(mean)
    elif own and 0 < own <= _HIGHEST_RATE:
        period_s = 1 / Fraction(own)
    elif step_s:
        period_s = step_s
    elif guessed and 0 < guessed < _HIGHEST_RATE:
        period_s = 1 / Fraction(guessed)
    check_frame_period(path, period_s)
    return period_s


def period_in_stream(stream: VideoStream, period_s: Fraction) -> int:
    """Give a frame period in units of a stream's times, at least one."""
    return max(1, round(period_s / (stream.time_base or period_s)))


class FrameClock:
    """Seconds since the first frame, from the presentation times of a stream."""

    def __init__(self, period_s: Fraction, time_base: Fraction | None) -> None:
        self._period_s, self._time_base = period_s, time_base or Fraction(0)
        self._first_s: Fraction | None = None
        self._elapsed_s = -period_s

    def time_s(self, time: int | None) -> float:
        """Give the time of the next frame, never less than the last one's.

        One without a time follows a period after the last.
        """
        if time is None:
            self._elapsed_s += self._period_s
        else:
            time_s = time * self._time_base
            self._first_s = time_s if self._first_s is None else self._first_s
            self._elapsed_s = max(time_s - self._first_s, self._elapsed_s)
        periods = self._elapsed_s / self._period_s
        if periods.denominator == 1:  # index × period in floating point, as the reference tool
            return periods.numerator * float(self._period_s)
        return float(self._elapsed_s)
