"""The packets of a file that is being recorded, as far as they are the same for every format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from av.video.stream import VideoStream

from readers.errors import MovieError, movie_errors
from readers.ffmpeg import open_regular_file
from readers.file_kind import NO_MOVIE, read_head, what_is_no_movie
from readers.growing.feed import ArrivedPacket, EndedBy
from readers.growing.growing_file import GrowingFile

TELLING_BYTES = 512
"""So much of a file's beginning tells what it is, if it is no movie."""


class FileFeed(ABC):
    """A `Feed` of a file that another program writes.

    Parameters
    ----------
    file
        The file, not opened yet.
    """

    format = ""
    notes: tuple[str, ...] = ()
    may_wait = True
    tells_times = True

    def __init__(self, file: GrowingFile) -> None:
        self.path = file.path
        self._file = file
        self._resources = ExitStack()
        self._stream: VideoStream | None = None

    @classmethod
    def check(cls, path: Path) -> None:
        """Raise `MovieError` for a file that cannot be followed; what is not known yet passes."""
        with movie_errors(path), open_regular_file(path) as file:
            head = read_head(file)
            no_movie = what_is_no_movie(head) if len(head) >= TELLING_BYTES else None
            if no_movie is not None:
                raise MovieError(path, NO_MOVIE.format(no_movie))
            problem = cls._cannot_be_followed(file, head)
            if problem is not None:
                raise MovieError(path, problem)

    @classmethod
    def _cannot_be_followed(cls, file: IO[bytes], head: bytes) -> str | None:  # noqa: ARG003
        """Say why a file of this format cannot be followed; None where it can."""
        return None

    @abstractmethod
    def _open_stream(self) -> VideoStream:
        """Wait for what tells the packets' kind; the growing file is open already."""

    @abstractmethod
    def packets(self) -> Iterator[ArrivedPacket]:
        """Yield each packet as soon as it is there; see `Feed`."""

    @property
    @abstractmethod
    def num_waiting_bytes(self) -> int:
        """Bytes that have arrived and are in none of the packets yet."""

    def open(self) -> None:
        """Wait until the file has told what its packets are."""
        self._resources.callback(self._file.close)
        with movie_errors(self.path):
            self._file.open()
            self._stream = self._open_stream()

    def close(self) -> None:
        """Close the file."""
        self._resources.close()

    @property
    def stream(self) -> VideoStream:
        """FFmpeg's stream of the packets."""
        if self._stream is None:
            raise ValueError("not opened")
        return self._stream

    def stop(self) -> None:
        """Take nothing that arrives from now on."""
        self._file.stop()

    def watch(self) -> None:
        """Look whether the file has grown."""
        self._file.watch()

    @property
    def ended_by(self) -> EndedBy | None:
        """Why nothing more comes; None while it may."""
        return self._file.ended_by

    @property
    def damage(self) -> str | None:
        """What has happened to the file while it was followed; None for nothing."""
        return self._file.damage
