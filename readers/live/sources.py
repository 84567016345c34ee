"""The sources of a recording: a file, a folder of files, or a stream."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from readers.errors import MovieError, movie_errors
from readers.formats import check_live, open_feed, suffixes
from readers.frames import CropRectangle
from readers.growing.feed import Feed
from readers.growing.growing_file import now_s
from readers.live.folder import Folder
from readers.live.movie import LiveMovie
from readers.live.streams.addresses import StreamAddress, stream_address
from readers.live.streams.recorded_stream import RecordedStream, StreamFeed

_POLL_S = 0.01
_SETTLED_S = 1.0
"""A movie that has a successor has ended once nothing was added to it for so long."""


class LiveSource(Protocol):
    """The source of a recording's movies, one after the other.

    Attributes
    ----------
    is_recorded
        Whether what comes is recorded here, rather than by another program.
    """

    is_recorded: bool

    def check(self) -> None:
        """Raise `InputError` for what cannot be read live, before any work."""

    def movies(self) -> Generator[LiveMovie, None, None]:
        """Yield each movie as soon as it has begun; ask for the next when the last has ended.

        Waits for it, and ends with the recording.
        """


def open_live(
    source: str,
    *,
    crop: CropRectangle | None,
    end_after_s: float,
    newest_only: bool,
    recording: Callable[[int], Path],
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = now_s,
) -> LiveSource:
    """Make the source of a recording, by the kind of what is given.

    Parameters
    ----------
    source
        A file, a folder, a named pipe, ``-`` for standard input, a capture device
        (``/dev/video0``, or ``v4l2:`` and a path), or a URL: udp, tcp, http, https, rtsp, rtsps,
        rtp.
    crop
        The part of each frame that is read; None for all of it.
    end_after_s
        Silence that is taken for the end of the recording.
    newest_only
        See `LiveMovie`.
    recording
        Gives the file to which the stream with that number is recorded.
    wait, clock
        Wait for a file to appear, and tell the time, in seconds.

    Raises
    ------
    InputError
        If it is nothing that can be read live. `LiveSource.check` looks further.
    """
    make_movie = partial(LiveMovie, crop=crop, newest_only=newest_only)
    address = stream_address(source)
    if address is not None:
        return _Stream(address, make_movie, end_after_s, recording)
    path = Path(source)
    with movie_errors(path):
        is_folder = path.is_dir()
    if is_folder:
        folder = Folder(path, suffixes(), clock)
        return _Files(folder, make_movie, end_after_s, wait, clock)
    return _File(path, make_movie, end_after_s, wait, clock)


@dataclass
class _File:
    """One file that is being written, or is about to be."""

    path: Path
    make_movie: Callable[[Feed], LiveMovie]
    end_after_s: float
    wait: Callable[[float], object]
    clock: Callable[[], float]
    is_recorded = False

    def check(self) -> None:
        with movie_errors(self.path):
            if not self.path.absolute().parent.is_dir():
                raise MovieError(self.path, "there is no such folder")
            if self.path.exists():
                if not self.path.is_file():
                    raise MovieError(self.path, "is no file, folder, pipe or capture device")
                check_live(self.path)

    def movies(self) -> Generator[LiveMovie, None, None]:
        give_up_s = self.clock() + self.end_after_s
        while not self.path.exists():
            if self.clock() >= give_up_s:
                raise MovieError(self.path, f"did not appear within {self.end_after_s:g} s")
            self.wait(_POLL_S)
        yield self.make_movie(open_feed(self.path, end_after_s=self.end_after_s))


@dataclass
class _Files:
    """A folder that a recorder fills with one file after the other."""

    folder: Folder
    make_movie: Callable[[Feed], LiveMovie]
    end_after_s: float
    wait: Callable[[float], object]
    clock: Callable[[], float]
    is_recorded = False

    def check(self) -> None:
        if not os.access(self.folder.path, os.R_OK | os.X_OK):
            raise MovieError(self.folder.path, "cannot be read")
        for path in self.folder.waiting():
            check_live(path)

    def movies(self) -> Generator[LiveMovie, None, None]:
        ended_by = None
        while ended_by != "stopped":
            # A movie that ended by its silence was waited for long enough.
            patience_s = 0.0 if ended_by == "silent" else self.end_after_s
            give_up_s = self.clock() + patience_s
            while (path := self.folder.next()) is None and self.clock() < give_up_s:
                self.wait(_POLL_S)
            if path is None:
                return
            movie = self.make_movie(open_feed(path, end_after_s=self._silence_s))
            yield movie
            ended_by = movie.ended_by

    def _silence_s(self) -> float:
        """Silence that is taken for the end of the movie."""
        return min(_SETTLED_S, self.end_after_s) if self.folder.waiting() else self.end_after_s


@dataclass
class _Stream:
    """A stream, which is recorded as it comes."""

    address: StreamAddress
    make_movie: Callable[[Feed], LiveMovie]
    end_after_s: float
    recording: Callable[[int], Path]
    is_recorded = True

    def check(self) -> None:
        self.address.check()

    def movies(self) -> Generator[LiveMovie, None, None]:
        connection = self.address.connection(self.end_after_s)
        path = self.recording(0)
        recorded = RecordedStream(self.address.name, connection, path, self.end_after_s)
        yield self.make_movie(StreamFeed(recorded))
