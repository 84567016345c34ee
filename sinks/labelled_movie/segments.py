"""A movie's closed segments: where they are, and how many frames they hold."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO

import av
import av.error

from sinks.files import remove

SEGMENT_LENGTH = 1000
"""Frames of a segment, a multiple of the 250 between x264's key frames; the last may have fewer."""

_SEAL_HEADER = b"\0\0\0\x28free"
"""Of the last box (ISO/IEC 14496-12): its length, 40 bytes, and its kind, which players skip."""
_SEAL_LENGTH = 40
_CHUNK_BYTES = 2**20
_NAME = re.compile(r"([0-9]{6}|[1-9][0-9]{6,})\.mp4")
"""Of `segment`."""


def segments_dir(path: Path) -> Path:
    """Folder of the segments of the movie `path` while it is written."""
    return path.parent / f".{path.stem}.segments"


def num_finished_frames(path: Path) -> int:
    """Count the frames of the movie `path` that are in closed segments; nothing is changed.

    From these a `LabelledMovieSink` of the same path goes on. 0 where there is no segment. A
    segment that is not as it was closed, or not as long as its place demands, ends the count: it
    and what lies behind it will be written again. Links are never followed.
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
    """Tell how many frames a segment has, 0 if it is not as it was when it was closed."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode) or not is_sealed(path):
            return 0
        with av.open(str(path.absolute()), format="mp4") as container:
            return container.streams.video[0].frames
    except (OSError, av.error.FFmpegError, IndexError):
        return 0


def seal(path: Path) -> None:
    """Close a segment: its last box is a checksum, by which it is known to be as it was written."""
    num_bytes = path.stat().st_size
    with path.open("rb+") as file:
        checksum = _checksum(file, num_bytes)
        file.seek(num_bytes)
        file.write(_SEAL_HEADER + checksum)


def is_sealed(path: Path) -> bool:
    """Tell whether a segment is as it was closed."""
    num_bytes = path.stat().st_size - _SEAL_LENGTH
    with path.open("rb") as file:
        return num_bytes > 0 and _SEAL_HEADER + _checksum(file, num_bytes) == file.read()


def _checksum(file: BinaryIO, num_bytes: int) -> bytes:
    """SHA-256 of the next bytes."""
    checksum = hashlib.sha256()
    for start in range(0, num_bytes, _CHUNK_BYTES):
        checksum.update(file.read(min(_CHUNK_BYTES, num_bytes - start)))
    return checksum.digest()


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
