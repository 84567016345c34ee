"""A set of facts that were found out once, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

_MOST_ENTRIES = 500


class Cache:
    """A set of texts, kept as small files; those that were added long ago go when there are many.

    A folder that cannot be read or written, and damaged files, are no errors: the set then holds
    less.

    Parameters
    ----------
    name
        Of its folder.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def folder(self) -> Path:
        """Its folder; raises `RuntimeError` if the user has no home."""
        return user_cache_folder() / "posestream" / self._name

    def __contains__(self, text: str) -> bool:
        entry = _entry(text)
        try:
            with (self.folder / entry).open("rb") as file:
                return file.read(len(entry) + 1) == entry.encode()
        except (OSError, RuntimeError):
            return False

    def add(self, text: str) -> None:
        """Add a text."""
        with suppress(OSError, RuntimeError):
            folder = self.folder
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            entry = _entry(text)
            with NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as file:
                file.write(entry.encode())
            Path(file.name).replace(folder / entry)
            ages = sorted((path.stat().st_mtime_ns, path) for path in folder.iterdir())
            for _, path in ages[:-_MOST_ENTRIES]:
                path.unlink(missing_ok=True)


def user_cache_folder() -> Path:
    """Name the folder that the system has for what can be made again.

    Raises
    ------
    RuntimeError
        If the user has no home.
    """
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"


def _entry(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
