"""Output files that appear whole or not at all, and the error of one that cannot be written."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import av.error

from readers.errors import printable


class OutputError(Exception):
    """An output cannot be written: the disk is full, gone, or not to be written on.

    The message is one line for the user, "PATH: cannot be written (No space left on device)", of
    the `path` that the output would have had in the end, and the system's `reason`.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(printable(f"{path}: cannot be written ({reason})"))
        self.path = path
        self.reason = reason


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what FFmpeg and the file system raise into an `OutputError` of `path`, chained.

    Where blocks are nested, the error names the outermost path: users know the file, not its parts.
    """
    try:
        yield
    except OutputError as error:
        if error.path == path:
            raise
        raise OutputError(path, error.reason) from error.__cause__
    except (OSError, av.error.FFmpegError) as error:
        reason = error.strerror or str(error) or type(error).__name__
        if error.errno is not None and error.errno > 0:  # FFmpeg's own numbers are below
            reason = os.strerror(error.errno)
        raise OutputError(path, reason) from error


@contextmanager
def closed_at_end(close: Callable[[], object], path: Path) -> Iterator[None]:
    """Call `close` at the end of the block, raising an `OutputError` of `path` if it fails.

    An exception of the block is passed on even if closing fails too: on a full disk both fail, and
    the first error is the one that matters.
    """
    try:
        yield
    except BaseException:
        with suppress(Exception):
            close()
        raise
    with output_errors(path):
        close()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path`, empty, and rename it to `path` if the block succeeds.

    Its name begins with a dot and has the suffix of `path`, by which libraries choose the format.
    What has this name already is removed: the rest of a run that was killed, or a link that leads
    elsewhere. The file is flushed to the disk before it is renamed, and its folder after that. If
    the block raises, that is passed on, the temporary file is removed, and `path` stays as it was.
    `OutputError` if the file is empty, or cannot be flushed or renamed, or if another process has
    put one in its place, which is left alone.
    """
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    with output_errors(path):
        temporary.unlink(missing_ok=True)
        file = temporary.open("xb")
    status = os.fstat(file.fileno())
    try:
        with file:  # open to the end: until then, no other file can have its number
            yield temporary
            with output_errors(path):
                check_same_file(temporary, status)
                check_written(temporary)
                os.fsync(file.fileno())
        with output_errors(path):
            temporary.replace(path)
    except BaseException:
        with suppress(OSError, OutputError):  # what failed first is what matters
            check_same_file(temporary, status)
            temporary.unlink()
        raise
    with output_errors(path):
        flush_folder(path.parent)


def check_written(path: Path) -> None:
    """Raise an `OutputError` if a file is empty."""
    if not path.stat().st_size:
        raise OutputError(path, "nothing was written")


@contextmanager
def held_folder(folder: Path) -> Iterator[Callable[[], None]]:
    """Give a check, which raises an `OutputError` once `folder` names another folder, or none.

    While a process is paused, its folder can be removed and another made in its place, where
    nothing of it belongs. The folder is kept open, where the system allows it, so that the other
    cannot have its number.
    """
    with ExitStack() as resources:
        with output_errors(folder):
            status = folder.stat()
            if hasattr(os, "O_DIRECTORY"):
                resources.callback(os.close, os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        yield lambda: check_same_file(folder, status)


def check_same_file(path: Path, status: os.stat_result) -> None:
    """Raise an `OutputError` unless a path still names the file or folder that `status` is of."""
    with output_errors(path):
        if not os.path.samestat(path.lstat(), status):
            raise OutputError(path, "it was removed, and another has its name now")


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, as `os.fsync` does for a file's content.

    Where folders cannot be opened (on Windows, or without the right to read) nothing is done.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, a folder with all that is in it, or a link, which is not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


class OutputFile(io.FileIO):
    """A file open for writing that remembers the first error, whatever its user makes of it.

    FFmpeg reports no error of an mp4 though the disk was full halfway. PyAV is given this instead
    of a name, and `close` raises the error. A file of the name `path` is written over.
    """

    def __init__(self, path: Path) -> None:
        self._error: OSError | None = None
        super().__init__(str(path.absolute()), "wb")  # FFmpeg opens it a second time, for reading

    def write(self, data: Any) -> int:
        """Write all of the data; after an error, raise it again without another try."""
        if self._error is not None:
            raise self._error
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[super().write(rest) or 0 :]
        except OSError as error:
            self._error = error
            raise
        return len(data)

    def close(self) -> None:
        """Close the file, and raise what went wrong while it was written."""
        super().close()
        if self._error is not None:
            raise self._error
