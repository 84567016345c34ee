"""What is raised when an output cannot be written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av.error

from readers.errors import printable


class OutputError(Exception):
    """An output cannot be written: the disk is full, gone, or not to be written on.

    The message is one line for the user, "PATH: cannot be written (No space left on device)".

    Attributes
    ----------
    path
        The output, under the name that it would have had in the end.
    reason
        What the system says about it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(printable(f"{path}: cannot be written ({reason})"))
        self.path = path
        self.reason = reason


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what FFmpeg and the file system raise into an `OutputError` of `path`, chained.

    Where blocks are nested, the outermost path is the one that is told: a part of a file is
    known to the user by the name of the file.
    """
    try:
        yield
    except OutputError as error:
        if error.path == path:
            raise
        raise OutputError(path, error.reason) from error.__cause__
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(path, _reason(error)) from error


def _reason(error: OSError | av.error.FFmpegError) -> str:
    """Tell in the system's own words, which FFmpeg's are not where it has numbers of its own."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


@contextmanager
def closed_at_end(close: Callable[[], object], path: Path) -> Iterator[None]:
    """Call `close` at the end of the block, raising an `OutputError` of `path` if it fails.

    After an exception in the block, that exception is raised, whether closing fails or not.
    What a library still holds cannot be written either when the disk is full, and closing fails
    like writing did: what failed first is what the user should read.
    """
    try:
        yield
    except BaseException:
        with suppress(Exception):
            close()
        raise
    with output_errors(path):
        close()
