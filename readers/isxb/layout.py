"""The parts of an .isxb file and their places, also where its recorder lost power.

The layout is Inscopix's (their ``isxcore`` library reads the same fields): a header of twelve
little-endian 64-bit integers, motion JPEG, then two JSON texts: one about every frame, one about
the session. The recorder writes the header last, over a blank one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from readers.errors import MovieError

HEADER = struct.Struct("<12q")
START_OF_PICTURE = b"\xff\xd8\xff"


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
    header that counts nothing yet is that of a recording which was never finished: all behind it
    is taken for pictures.
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
