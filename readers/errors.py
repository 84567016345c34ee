"""The errors for input that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av.error


class InputError(ValueError):
    """The user gave something that cannot be used; the message is one line, for the user.

    It names the value, the rule that it breaks and what is allowed.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class MovieError(InputError):
    """A movie cannot be used; the message begins with its path, or its address, on one line."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self._path, self._problem = path, problem

    def __reduce__(self) -> tuple[type[MovieError], tuple[Path | str, str]]:
        # To come back from another process: Python would otherwise call it with one text.
        return type(self), (self._path, self._problem)


def printable(text: Path | str) -> str:
    """Write a text or a path on one line, whatever is in it.

    Python's escapes stand for what cannot be seen: codes that move the cursor or clear a terminal,
    line breaks, marks that turn the direction of what follows, bytes that are no text.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def joined(*problems: str | None) -> str | None:
    """Tell several problems in one line, each once; None where there are none."""
    return "; ".join(dict.fromkeys(filter(None, problems))) or None


@contextmanager
def movie_errors(path: Path) -> Iterator[None]:
    """Turn what FFmpeg and the file system raise about `path` into a `MovieError`, chained."""
    try:
        yield
    except av.error.FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise MovieError(path, f"cannot be read as a movie ({reason})") from error
    except OSError as error:
        raise MovieError(path, f"cannot be read ({error.strerror or error})") from error
