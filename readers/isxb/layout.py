"""The parts of an .isxb file and their places, also where its recorder lost power.

The layout is Inscopix's (their ``isxcore`` library reads the same fields): a header of twelve
little-endian 64-bit integers, motion JPEG, then two JSON texts: one about every frame, one about
the session. The recorder writes the header last, over a blank one.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, TypeVar

import ijson

from readers.errors import MovieError
from readers.ffmpeg import MOST_PIXELS, open_regular_file, read_part
from readers.frames import TrackerBox

HEADER = struct.Struct("<12q")
START_OF_PICTURE = b"\xff\xd8\xff"
_LARGEST_SESSION_BYTES = 8 * 2**20
_LONGEST_REASON = 200
_INT64 = range(-(2**63), 2**63)
_DEEPEST = 32
"""Recorders nest five deep; the parser's memory grows with the square of the depth."""
_LONGEST_BYTES = 2**20
"""Without a bracket or a comma: no number or text is so long."""
_Item = TypeVar("_Item")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True)
class IsxbHeader:
    """The integers at the start of an .isxb file, named."""

    file_version: int
    header_size: int
    start_time_ms: int
    utc_offset_min: int
    num_recorded_frames: int
    num_dropped_frames: int
    video_offset: int
    video_size: int
    frame_metadata_offset: int
    frame_metadata_size: int
    session_metadata_offset: int
    session_metadata_size: int

    @property
    def num_frames(self) -> int:
        """Frames that the recorder counted, those that it dropped too."""
        return self.num_recorded_frames + self.num_dropped_frames


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of the file from `offset` on; `is_whole` is False where its end is missing."""

    offset: int
    size: int
    is_whole: bool = True

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.offset + self.size

    def up_to(self, file_size: int) -> Part:
        """Give what of this part lies within the file."""
        size = max(0, min(self.size, file_size - self.offset))
        return Part(self.offset, size, is_whole=size == self.size)


@dataclass(frozen=True)
class IsxbLayout:
    """The parts that are there; one that is missing has no bytes."""

    header: IsxbHeader
    video: Part
    frame_metadata: Part
    session_metadata: Part

    @property
    def is_whole(self) -> bool:
        """Whether no part was cut off."""
        parts = (self.video, self.frame_metadata, self.session_metadata)
        return all(part.is_whole and part.size for part in parts)

    def damage(self, num_samples: int, num_dropped: int) -> str:
        """Say what a file that was cut off has lost, in one line.

        `num_samples` frames have their times in the file, which lists `num_dropped` as dropped.
        """
        if self.frame_metadata.is_whole and self.frame_metadata.size:
            lost = "its session metadata is missing"
        elif num_samples == 0:
            lost = "its frame metadata is missing; times and hardware counters are unknown"
        else:
            lost = (
                f"its frame metadata ends after {num_samples} frames; "
                "later times and hardware counters are unknown"
            )
        unplaced = self.header.num_dropped_frames - num_dropped
        if unplaced > 0:
            lost += f"; where {unplaced} dropped frames belong is unknown, numbers may be too small"
        return f"was cut off: {lost}"


def read_layout(path: Path, file: IO[bytes]) -> IsxbLayout:
    """Read and check the header; raise `MovieError` where it cannot be one.

    Parts that lie one behind the other and reach beyond the end of the file were cut off. A
    header that counts nothing yet was never finished: all behind it is taken for pictures.
    """
    file.seek(0)
    data = file.read(HEADER.size)
    if len(data) < HEADER.size:
        raise MovieError(path, f"an .isxb header has {HEADER.size} bytes, this file {len(data)}")
    header = IsxbHeader(*HEADER.unpack(data))
    begins_with_picture = file.read(len(START_OF_PICTURE)) == START_OF_PICTURE
    file_size = file.seek(0, 2)
    is_blank = header.header_size in (0, HEADER.size) and not (
        header.num_recorded_frames
        or header.video_size
        or header.frame_metadata_size
        or header.session_metadata_size
    )
    if is_blank and begins_with_picture:
        nothing = Part(file_size, 0, is_whole=False)
        video = Part(HEADER.size, file_size - HEADER.size, is_whole=False)
        return IsxbLayout(header, video, nothing, nothing)
    if header.header_size != HEADER.size:
        raise MovieError(path, f"is no .isxb file: its header claims {header.header_size} bytes")
    if header.num_recorded_frames < 0 or header.num_dropped_frames < 0:
        raise MovieError(path, "its header counts a negative number of frames")
    if header.num_recorded_frames == 0:
        raise MovieError(path, "is not finished: its header counts no frames, and there are none")
    return _checked_parts(path, header, file_size)


def _checked_parts(path: Path, header: IsxbHeader, file_size: int) -> IsxbLayout:
    parts = {
        "video": Part(header.video_offset, header.video_size),
        "frame metadata": Part(header.frame_metadata_offset, header.frame_metadata_size),
        "session metadata": Part(header.session_metadata_offset, header.session_metadata_size),
    }
    are_in_order = header.video_offset < file_size and all(
        part.end <= following.offset or following.size == 0
        for part, following in pairwise(parts.values())
    )
    for name, part in parts.items():
        is_misplaced = part.size < 0 or part.offset < 0 or (part.size and part.offset < HEADER.size)
        if is_misplaced or (part.end > file_size and not are_in_order):
            raise MovieError(
                path,
                f"its header puts the {name} at bytes {part.offset} to {part.end}, "
                f"but the file ends at byte {file_size}",
            )
    if not are_in_order:
        raise MovieError(path, "its header lets its parts overlap")
    return IsxbLayout(header, *(part.up_to(file_size) for part in parts.values()))


def is_isxb(head: bytes) -> bool:
    """Tell whether a file is an .isxb: by its header, or by a picture behind a blank one."""
    if len(head) < HEADER.size:
        return False
    header_size = HEADER.unpack(head[: HEADER.size])[1]
    begins_with_picture = head.startswith(START_OF_PICTURE, HEADER.size)
    return header_size == HEADER.size or (header_size == 0 and begins_with_picture)


def is_closed(file: IO[bytes], size: int) -> bool:  # noqa: ARG001 - the header tells
    """Tell whether the recorder is done with a file: its header is filled in, no part missing."""
    try:
        return read_layout(Path(), file).is_whole
    except MovieError:
        return False


@dataclass(frozen=True, slots=True)
class FrameSample:
    """The recorder's note about one recorded frame: its counters, and what its tracker saw."""

    frame_count: int
    hardware_counter_us: int
    tracker_box: TrackerBox | None

    @classmethod
    def of(cls, sample: dict[str, Any]) -> FrameSample:
        """Read a JSON object; its box counts only if it is a list of four finite numbers."""
        counters = _whole(sample["fc"]), _whole(sample["tsc"])
        tracker = sample.get("tracker")
        box = tracker.get("box") if isinstance(tracker, dict) else None
        if not isinstance(box, list) or len(box) != 4:
            return cls(*counters, None)
        if not all(type(side) in (int, float) and math.isfinite(side) for side in box):
            return cls(*counters, None)
        left, top, right, bottom = map(float, box)
        return cls(*counters, (left, top, right, bottom))


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
    return _items(path, layout, "samples.item", FrameSample.of)


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
    for index in _items(path, layout, "droppedFrames.item", _whole):
        with _json_errors(path, "frame"):
            if index <= previous:
                raise ValueError(f"dropped frame {index} stands after dropped frame {previous}")
        yield index
        previous = index


def _items(
    path: Path, layout: IsxbLayout, prefix: str, read: Callable[[Any], _Item]
) -> Iterator[_Item]:
    part = layout.frame_metadata
    if part.size == 0:
        return
    with open_regular_file(path) as file, _json_errors(path, "frame"):
        text = _ShallowJson(file, part)
        try:
            # As floats: a Decimal of 1e999999999 would become an integer of as many digits.
            yield from map(read, ijson.items(text, prefix, use_float=True))
        except ijson.IncompleteJSONError:
            if part.is_whole:
                raise


def _whole(value: object) -> int:
    """Check that a value is a whole number of 64 bits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value not in _INT64:
        raise TypeError(f"no whole number of 64 bits: {value!r:.40}")
    return value
