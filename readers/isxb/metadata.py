"""The two JSON texts of an .isxb file: one about every frame, one about the session."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import ijson

from readers.errors import MovieError
from readers.ffmpeg import MOST_PIXELS, open_regular_file, read_part
from readers.frames import TrackerBox
from readers.isxb.layout import IsxbLayout, Part

_LARGEST_SESSION_BYTES = 8 * 2**20
_LONGEST_REASON = 200
_INT64 = range(-(2**63), 2**63)
_DEEPEST = 32
"""Recorders nest five deep; the parser's memory grows with the square of the depth."""
_LONGEST_BYTES = 2**20
"""Without a bracket or a comma: no number or text is so long."""
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True, slots=True)
class FrameSample:
    """The recorder's note about one recorded frame: its counters, and what its tracker saw."""

    frame_count: int
    hardware_counter_us: int
    tracker_box: TrackerBox | None = None


class _ShallowJson:
    """Text of a part of a file, for a parser of JSON.

    Raises `ValueError` where it is nested too deeply, or has a number or text without end.
    Brackets within texts count too, so that a text full of them may be refused.
    """

    def __init__(self, file: IO[bytes], part: Part) -> None:
        self._file, self._position, self._end = file, part.offset, part.end
        self._depth = 0
        self._num_without_end = 0

    def read(self, size: int) -> bytes:
        data = read_part(self._file, self._position, min(size, self._end - self._position))
        self._position += len(data)
        brackets = data.translate(None, _NOT_BRACKETS)
        for _ in range(_DEEPEST):
            shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
            if len(shorter) == len(brackets):
                break
            brackets = shorter
        num_opened = brackets.count(b"[") + brackets.count(b"{")
        if self._depth + num_opened > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
        self._depth = max(0, self._depth + 2 * num_opened - len(brackets))
        last = max(map(data.rfind, (b"[", b"]", b"{", b"}", b",")))
        self._num_without_end = len(data) - last + (self._num_without_end if last < 0 else 0)
        if self._num_without_end > _LONGEST_BYTES:
            raise ValueError(f"it has a number or text of more than {_LONGEST_BYTES} bytes")
        return data


@contextmanager
def _json_errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (
        ijson.JSONError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,  # a number without end, or a period over 0
        RecursionError,
    ) as error:
        if isinstance(error, MovieError):
            raise
        reason = repr(error)[:_LONGEST_REASON]
        raise MovieError(path, f"its {what} metadata cannot be read ({reason})") from error


def read_session(
    path: Path, file: IO[bytes], part: Part
) -> tuple[int, int, Fraction | None] | None:
    """Read the session metadata, a JSON object of some kilobytes; None where it is not all there.

    Gives the width and height in pixels, from ``spacingInfo`` or else from the camera's settings,
    and the frame period in seconds, where ``timingInfo`` tells it.
    """
    if not part.is_whole or part.size == 0:
        return None
    if part.size > _LARGEST_SESSION_BYTES:
        raise MovieError(
            path,
            f"its session metadata claims {part.size} bytes; "
            f"at most {_LARGEST_SESSION_BYTES} are read",
        )
    data = read_part(file, part.offset, part.size)
    with _json_errors(path, "session"):
        session = json.loads(data)
        if not isinstance(session, dict):
            raise TypeError("not a JSON object")
        if "spacingInfo" in session:
            size = session["spacingInfo"]["numPixels"]
            width, height = size["x"], size["y"]
        else:
            size = session["processingInterface"][session["cameraName"]]["recordFov"]
            width, height = size["width"], size["height"]
        period_s = None
        if "timingInfo" in session:
            period = session["timingInfo"]["period"]
            period_s = Fraction(_whole(period["num"]), _whole(period["den"]))
        width, height = _whole(width), _whole(height)
    if width * height > MOST_PIXELS or width <= 0 or height <= 0:
        raise MovieError(
            path, f"claims pictures of {width} x {height} pixels; at most {MOST_PIXELS} are read"
        )
    return width, height, period_s


def frame_samples(path: Path, layout: IsxbLayout) -> Iterator[FrameSample]:
    """Yield one sample per recorded frame, parsed as a stream: a day has millions.

    Where the text was cut off, those that are there.
    """
    for sample in _items(path, layout, "samples.item"):
        with _json_errors(path, "frame"):
            yield FrameSample(_whole(sample["fc"]), _whole(sample["tsc"]), _box(sample))


def read_samples(
    path: Path, layout: IsxbLayout
) -> tuple[int, tuple[int, int] | None, Fraction | None]:
    """Count the samples of a file; give the first and the last hardware counter, and their step.

    The mean step from frame to frame is in seconds; None where no samples tell.
    """
    count, first, last = 0, None, None
    for last in frame_samples(path, layout):
        first = first or last
        count += 1
    if first is None or last is None:
        return 0, None, None
    counters_us = first.hardware_counter_us, last.hardware_counter_us
    num_steps = last.frame_count - first.frame_count
    duration_s = Fraction(counters_us[1] - counters_us[0], 1_000_000)
    return count, counters_us, duration_s / num_steps if num_steps else None


def dropped_frame_indices(path: Path, layout: IsxbLayout) -> Iterator[int]:
    """Yield the indices of the frames that were lost, ascending, parsed as a stream.

    Where the text was cut off, those that are there.
    """
    previous = -1
    for item in _items(path, layout, "droppedFrames.item"):
        with _json_errors(path, "frame"):
            index = _whole(item)
            if index <= previous:
                raise ValueError(f"dropped frame {index} stands after dropped frame {previous}")
            yield index
            previous = index


def _items(path: Path, layout: IsxbLayout, prefix: str) -> Iterator[Any]:
    part = layout.frame_metadata
    if part.size == 0:
        return
    with open_regular_file(path) as file, _json_errors(path, "frame"):
        text = _ShallowJson(file, part)
        try:
            # As floats: a Decimal of 1e999999999 would become an integer of as many digits.
            yield from ijson.items(text, prefix, use_float=True)
        except ijson.IncompleteJSONError:
            if part.is_whole:
                raise


def _box(sample: dict[str, Any]) -> TrackerBox | None:
    """Give the tracker's box; None unless it is a list of four finite numbers."""
    tracker = sample.get("tracker")
    box = tracker.get("box") if isinstance(tracker, dict) else None
    if not isinstance(box, list) or len(box) != 4:
        return None
    if not all(type(side) in (int, float) and math.isfinite(side) for side in box):
        return None
    left, top, right, bottom = (float(side) for side in box)
    return left, top, right, bottom


def _whole(value: object) -> int:
    """Check that a value is a whole number of 64 bits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value not in _INT64:
        raise TypeError(f"no whole number of 64 bits: {value!r:.40}")
    return value
