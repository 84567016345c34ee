"""What can be followed (stand-in)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Protocol

from readers.crop import CropRectangle
from readers.live.isxb_feed import IsxbFeed
from readers.live.movie import LiveMovie


class LiveSource(Protocol):
    is_recorded: bool

    def check(self) -> None: ...
    def movies(self) -> Generator[LiveMovie, None, None]: ...


class _One:
    is_recorded = False

    def __init__(self, path, crop, end_after_s, newest_only):
        self.a = (path, crop, end_after_s, newest_only)

    def check(self): ...

    def movies(self):
        path, crop, end, newest = self.a
        yield LiveMovie(IsxbFeed(path, end_after_s=end), crop, newest_only=newest)


def open_live(
    source: str,
    *,
    crop: CropRectangle | None,
    end_after_s: float,
    newest_only: bool,
    recording: Callable[[int], Path],
) -> LiveSource:
    return _One(Path(source), crop, end_after_s, newest_only)
