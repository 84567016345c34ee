"""A folder that a recorder fills with one movie after the other."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from readers.errors import MovieError
from readers.formats import FORMATS, inspect_movie
from readers.growing.growing_file import now_s

_LOOK_AGAIN_S = 0.1
"""A file that came within a tick of the file system's clock changes the folder's time no more."""
_HIDDEN = (".", "~")
_DIGITS = "0123456789"


@dataclass
class Folder:
    """The movies in a folder, in the order in which they are recorded.

    Those that are there at the start come first, in the natural order of their names:
    ``chunk-10`` comes behind ``chunk-9``. Finished .isxb come in order of their start times, as in
    a run of them. All have the suffix of the first one. Hidden files do not count, nor do
    temporary ones, which have another suffix.

    Attributes
    ----------
    path
        The folder.
    suffixes
        Of movies that can be read as they grow.
    clock
        Tells the time in seconds.
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
        self._look()
        return self._waiting.pop(0) if self._waiting else None

    def waiting(self) -> tuple[Path, ...]:
        """Give the movies that have begun and were not taken yet."""
        self._look()
        return tuple(self._waiting)

    def _look(self) -> None:
        try:
            changed_at = self.path.stat().st_mtime_ns
            is_known = changed_at == self._changed_at
            if is_known and self.clock() < self._looked_at_s + _LOOK_AGAIN_S:
                return
            self._changed_at, self._looked_at_s = changed_at, self.clock()
            with os.scandir(self.path) as entries:
                names = {entry.name for entry in entries if entry.is_file()} - self._seen
        except OSError:
            return  # it is gone, or cannot be reached: nothing comes
        movies = sorted(filter(self._is_movie, names), key=natural_order)
        if movies and len(self.suffixes) > 1:
            self.suffixes = [_suffix(movies[0])]
            movies = [name for name in movies if self._is_movie(name)]
        self._waiting += in_order_of_start([self.path / name for name in movies])
        self._seen |= names

    def _is_movie(self, name: str) -> bool:
        return not name.startswith(_HIDDEN) and _suffix(name) in self.suffixes


def natural_order(name: str) -> list[tuple[bool, int, str]]:
    """Give the key by which names are sorted: numbers in them by their value."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    # The name itself at last: `1` and `01` differ.
    keys = [(True, int(p), "") if p[0] in _DIGITS else (False, 0, p) for p in pieces]
    return [*keys, (False, 0, name)]


def in_order_of_start(paths: list[Path]) -> list[Path]:
    """Put finished .isxb first, in order of their start times; others keep their order."""
    starts_ms = {path: _start_time_ms(path) for path in paths}
    finished = [path for path in paths if starts_ms[path] is not None]
    finished.sort(key=lambda path: starts_ms[path] or 0)
    return finished + [path for path in paths if starts_ms[path] is None]


def _start_time_ms(path: Path) -> int | None:
    if not any(kind.is_series and _suffix(path.name) in kind.suffixes for kind in FORMATS):
        return None
    try:
        return inspect_movie(path).start_time_ms
    except MovieError:
        return None  # nothing is in it yet


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
