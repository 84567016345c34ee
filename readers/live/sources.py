"""The sources of a recording: a file, a folder of files, or a stream."""

from __future__ import annotations

import math
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from readers.container.reader import ContainerFeed
from readers.errors import MovieError, movie_errors
from readers.formats import FORMATS, check_live, inspect_movie, open_feed, suffixes
from readers.frames import CropRectangle
from readers.growing.growing_file import Feed, now_s
from readers.live.movie import LiveMovie
from readers.live.streams.connections import StreamAddress, stream_address
from readers.live.streams.recorded_stream import RecordedStream

_POLL_S = 0.01
_SETTLED_S = 1.0
"""A movie that has a successor has ended once nothing was added to it for so long."""
_LOOK_AGAIN_S = 0.1
"""A file that came within a tick of the file system's clock changes the folder's time no more."""
_HIDDEN = (".", "~")
_DIGITS = "0123456789"


@dataclass
class LiveSource(ABC):
    """The source of a recording's movies, one after the other; see `open_live`.

    `is_recorded` tells whether what comes is recorded here, rather than by another program.
    """

    make_movie: Callable[[Feed], LiveMovie]
    end_after_s: float
    wait: Callable[[float], object]
    clock: Callable[[], float]
    is_recorded: ClassVar[bool] = False

    @abstractmethod
    def check(self) -> None:
        """Raise `InputError` for what cannot be read live, before any work."""

    @abstractmethod
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
        return _Stream(make_movie, end_after_s, wait, clock, address, recording)
    path = Path(source)
    with movie_errors(path):
        is_folder = path.is_dir()
    if is_folder:
        folder = Folder(path, suffixes(), clock)
        return _Files(make_movie, end_after_s, wait, clock, folder)
    return _File(make_movie, end_after_s, wait, clock, path)


@dataclass
class _File(LiveSource):
    """One file that is being written, or is about to be."""

    path: Path

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
class _Files(LiveSource):
    """A folder that a recorder fills with one file after the other."""

    folder: Folder

    def check(self) -> None:
        if not os.access(self.folder.path, os.R_OK | os.X_OK):
            raise MovieError(self.folder.path, "cannot be read")
        for path in self.folder.waiting():
            check_live(path)

    def movies(self) -> Generator[LiveMovie, None, None]:
        def silence_s() -> float:
            """Silence that is taken for the end of a movie."""
            return min(_SETTLED_S, self.end_after_s) if self.folder.waiting() else self.end_after_s

        ended_by = None
        while ended_by != "stopped":
            # A movie that ended by its silence was waited for long enough.
            patience_s = 0.0 if ended_by == "silent" else self.end_after_s
            give_up_s = self.clock() + patience_s
            while (path := self.folder.next()) is None and self.clock() < give_up_s:
                self.wait(_POLL_S)
            if path is None:
                return
            movie = self.make_movie(open_feed(path, end_after_s=silence_s))
            yield movie
            ended_by = movie.ended_by


@dataclass
class _Stream(LiveSource):
    """A stream, which is recorded as it comes."""

    address: StreamAddress
    recording: Callable[[int], Path]
    is_recorded = True

    def check(self) -> None:
        self.address.check()

    def movies(self) -> Generator[LiveMovie, None, None]:
        connection = self.address.connection(self.end_after_s)
        recorded = RecordedStream(self.address.name, connection, self.recording(0))
        yield self.make_movie(ContainerFeed(recorded))


@dataclass
class Folder:
    """The movies in a folder, in the order in which they are recorded.

    Those that are there at the start come first, in the natural order of their names:
    ``chunk-10`` comes behind ``chunk-9``. Finished .isxb come before, in order of their start
    times, as in a run of them. All have the suffix of the first one. Hidden files do not count,
    nor do temporary ones, which have another suffix.
    """

    path: Path
    suffixes: Sequence[str]
    clock: Callable[[], float] = now_s
    _waiting: list[Path] = field(default_factory=list, init=False)
    _seen: set[str] = field(default_factory=set, init=False)
    _changed_at: int | None = field(default=None, init=False)
    _looked_at_s: float = field(default=0.0, init=False)

    def next(self) -> Path | None:
        """Take the next movie; None while there is none."""
        return self._waiting.pop(0) if self.waiting() else None

    def waiting(self) -> tuple[Path, ...]:
        """Look for new movies; give those that have begun and were not taken yet."""
        names: set[str] = set()
        with suppress(OSError):  # it is gone, or cannot be reached: nothing comes
            changed_at = self.path.stat().st_mtime_ns
            is_known = changed_at == self._changed_at
            if not is_known or self.clock() >= self._looked_at_s + _LOOK_AGAIN_S:
                self._changed_at, self._looked_at_s = changed_at, self.clock()
                with os.scandir(self.path) as entries:
                    names = {entry.name for entry in entries if entry.is_file()} - self._seen
        movies: list[Path] = []
        for name in sorted(names, key=natural_order):
            suffix = Path(name).suffix.lower()
            if suffix in self.suffixes and not name.startswith(_HIDDEN):
                self.suffixes = [suffix]
                movies.append(self.path / name)
        self._waiting += sorted(movies, key=_start_time_ms)
        self._seen |= names
        return tuple(self._waiting)


def natural_order(name: str) -> list[tuple[bool, int, str]]:
    """Give the key by which names are sorted: numbers in them by their value."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    # The name itself at last: `1` and `01` differ.
    keys = [(True, int(p), "") if p[0] in _DIGITS else (False, 0, p) for p in pieces]
    return [*keys, (False, 0, name)]


def _start_time_ms(path: Path) -> float:
    """Tell when a finished .isxb began; infinity for other movies, which keep their order."""
    if any(kind.is_series and path.suffix.lower() in kind.suffixes for kind in FORMATS):
        with suppress(MovieError):  # nothing is in it yet
            start_time_ms = inspect_movie(path).start_time_ms
            return math.inf if start_time_ms is None else start_time_ms
    return math.inf
