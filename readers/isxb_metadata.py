"""The parts of an .isxb file around its pictures.

The layout is Inscopix's (their ``isxcore`` library reads the same fields): a header of twelve
little-endian 64-bit integers, motion JPEG, then two JSON texts: one about every frame, one about
the session.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import ijson

from readers.errors import MovieError
from readers.section import FileSection

HEADER = struct.Struct("<12q")
_LARGEST_SESSION_BYTES = 64 * 2**20


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


@dataclass(frozen=True, slots=True)
class FrameSample:
    """What the recorder noted about one recorded frame."""

    frame_count: int
    hardware_counter_us: int


def read_header(path: Path, file: IO[bytes]) -> IsxbHeader:
    """Read and check the header; raise `MovieError` where it cannot be one."""
    data = file.read(HEADER.size)
    if len(data) < HEADER.size:
        raise MovieError(path, f"an .isxb header has {HEADER.size} bytes, this file {len(data)}")
    header = IsxbHeader(*HEADER.unpack(data))
    file_size = file.seek(0, 2)
    _check_header(path, header, file_size)
    return header


def _check_header(path: Path, header: IsxbHeader, file_size: int) -> None:
    if header.header_size != HEADER.size:
        raise MovieError(path, f"is no .isxb file: its header claims {header.header_size} bytes")
    if header.num_recorded_frames < 0 or header.num_dropped_frames < 0:
        raise MovieError(path, "its header counts a negative number of frames")
    if header.session_metadata_size == 0 or header.num_recorded_frames == 0:
        raise MovieError(path, "is not finished: its header counts no frames or no metadata yet")
    sections = {
        "video": (header.video_offset, header.video_size),
        "frame metadata": (header.frame_metadata_offset, header.frame_metadata_size),
        "session metadata": (header.session_metadata_offset, header.session_metadata_size),
    }
    for name, (offset, size) in sections.items():
        if size < 0 or offset < HEADER.size or offset + size > file_size:
            raise MovieError(
                path,
                f"its header puts the {name} at bytes {offset} to {offset + size}, "
                f"but the file ends at byte {file_size}",
            )


@contextmanager
def _json_errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (
        ijson.JSONError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,  # a number without end, or a period over 0
        RecursionError,
    ) as error:
        if isinstance(error, MovieError):
            raise
        raise MovieError(path, f"its {what} metadata cannot be read ({error!r})") from error


def read_session(path: Path, file: IO[bytes], header: IsxbHeader) -> dict[str, Any]:
    """Read the session metadata, a JSON object of some kilobytes."""
    if header.session_metadata_size > _LARGEST_SESSION_BYTES:
        raise MovieError(path, f"its session metadata claims {header.session_metadata_size} bytes")
    file.seek(header.session_metadata_offset)
    with _json_errors(path, "session"):
        session = json.loads(file.read(header.session_metadata_size))
        if not isinstance(session, dict):
            raise TypeError("not a JSON object")
        return session


def frame_size(path: Path, session: dict[str, Any]) -> tuple[int, int]:
    """Width and height in pixels, from ``spacingInfo`` or else from the camera's settings."""
    with _json_errors(path, "session"):
        if "spacingInfo" in session:
            size = session["spacingInfo"]["numPixels"]
            return int(size["x"]), int(size["y"])
        camera = session["processingInterface"][session["cameraName"]]
        return int(camera["recordFov"]["width"]), int(camera["recordFov"]["height"])


def session_period_s(path: Path, session: dict[str, Any]) -> Fraction | None:
    """Give the frame period that ``timingInfo`` tells, or None where there is no such part."""
    with _json_errors(path, "session"):
        if "timingInfo" not in session:
            return None
        period = session["timingInfo"]["period"]
        return Fraction(int(period["num"]), int(period["den"]))


def frame_samples(path: Path, header: IsxbHeader) -> Iterator[FrameSample]:
    """Yield one sample per recorded frame, parsed as a stream: a day has millions."""
    with path.open("rb") as file, _json_errors(path, "frame"):
        for sample in ijson.items(_frame_metadata(file, header), "samples.item"):
            yield FrameSample(int(sample["fc"]), int(sample["tsc"]))


def dropped_frame_indices(path: Path, header: IsxbHeader) -> Iterator[int]:
    """Yield the indices of the frames that were lost, ascending, parsed as a stream."""
    with path.open("rb") as file, _json_errors(path, "frame"):
        previous = -1
        for item in ijson.items(_frame_metadata(file, header), "droppedFrames.item"):
            index = int(item)
            if index <= previous:
                raise ValueError(f"dropped frame {index} stands after dropped frame {previous}")
            yield index
            previous = index


def _frame_metadata(file: IO[bytes], header: IsxbHeader) -> FileSection:
    return FileSection(file, header.frame_metadata_offset, header.frame_metadata_size)
