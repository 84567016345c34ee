"""A movie's closed segments: where they are, and how many frames they hold."""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import av
import av.error

from sinks.files import remove

SEGMENT_LENGTH = 1000
"""Frames of a segment, a multiple of the 250 between x264's key frames; the last may have fewer."""

_BOX_HEADER = struct.Struct(">I4sQ")
"""Length, kind, and length of a box whose first length is 1 (ISO/IEC 14496-12, section 4.2)."""
_SHORTEST_BOX = 8
_NAME = re.compile(r"([0-9]{6}|[1-9][0-9]{6,})\.mp4")
"""Of `segment`."""


def segments_dir(path: Path) -> Path:
    """Folder of the segments of the movie `path` while it is written."""
    return path.parent / f".{path.stem}.segments"


def num_finished_frames(path: Path) -> int:
    """Count the frames of the movie `path` that are in closed segments; nothing is changed.

    From these a `LabelledMovieSink` of the same path goes on. 0 where there is no segment. A
    segment that cannot be opened, or is not as long as its place demands, ends the count: it and
    what lies behind it will be written again. Links are never followed.
    """
    return sum(finished_lengths(segments_dir(path)))


def keep_segments(path: Path, num_frames: int) -> None:
    """Remove those segments of the movie `path` that do not lie wholly within its first frames."""
    folder = segments_dir(path)
    first_removed = segment(folder, num_frames // SEGMENT_LENGTH)
    for found in sorted(folder.glob("*.mp4"), reverse=True):
        if found >= first_removed:
            found.unlink()


def finished_lengths(folder: Path) -> Iterator[int]:
    """Yield the number of frames of each segment that is there, from the first on, without gap."""
    if folder.is_symlink():
        return
    for number in count():
        length = _num_frames(segment(folder, number))
        is_last = not segment(folder, number + 1).exists()
        if length == SEGMENT_LENGTH or (is_last and 0 < length < SEGMENT_LENGTH):
            yield length
        if length != SEGMENT_LENGTH:
            return


def segment(folder: Path, number: int) -> Path:
    """Path of a segment, which are counted from 0."""
    return folder / f"{number:06}.mp4"


def _num_frames(path: Path) -> int:
    """Tell how many frames the index at the end of a segment names, 0 if it is not whole."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode) or not _ends_where_it_says(path):
            return 0
        with av.open(str(path.absolute()), format="mp4") as container:
            return container.streams.video[0].frames
    except (OSError, av.error.FFmpegError, IndexError):
        return 0


def _ends_where_it_says(path: Path) -> bool:
    """Tell whether an mp4's last box is whole: FFmpeg takes an index that is cut off."""
    offset, num_bytes = 0, path.stat().st_size
    with path.open("rb") as file:
        while offset < num_bytes:
            file.seek(offset)
            header = file.read(_BOX_HEADER.size)
            if len(header) < _BOX_HEADER.size:
                return False
            short_length, _, long_length = _BOX_HEADER.unpack(header)
            length = long_length if short_length == 1 else short_length
            if length < _SHORTEST_BOX:
                return False
            offset += length
    return offset == num_bytes


def make_folder(folder: Path, num_segments: int) -> None:
    """Make the folder, or keep of what is there the first segments only."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
        folder.mkdir()
    for path in folder.iterdir():
        if not (_NAME.fullmatch(path.name) and int(path.stem) < num_segments):
            remove(path)


def remove_folder(folder: Path) -> None:
    """Remove the folder and its segments, the last first: what is left is a beginning."""
    for path in sorted(folder.iterdir(), reverse=True):
        path.unlink()
    folder.rmdir()
