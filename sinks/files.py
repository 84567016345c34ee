"""Output files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sinks.errors import OutputError, output_errors


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path`, empty, and rename it to `path` if the block succeeds.

    The temporary file keeps the suffix, since libraries choose the format by it, and its name
    begins with a dot. What stands under that name before is removed: it may be the rest of a
    run that was killed, or a link that leads elsewhere. The file is flushed to the disk before
    it is renamed, and its folder after that. If the block raises, the temporary file is removed
    and whatever stood under `path` before stays as it was. The block writes into the file that is
    there: another one under the temporary name is another process's, and is left alone.

    Raises
    ------
    OutputError
        If the file is empty, or cannot be flushed or renamed, or another has its name. What the
        block raises is passed on as it is.
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
                _check_written(temporary)
                os.fsync(file.fileno())
        with output_errors(path):
            temporary.replace(path)
    except BaseException:
        with suppress(OSError, OutputError):  # report what failed first
            check_same_file(temporary, status)
            temporary.unlink()
        raise
    with output_errors(path):
        flush_folder(path.parent)


def _check_written(path: Path) -> None:
    if not path.stat().st_size:
        raise OutputError(path, "nothing was written")


@contextmanager
def held_folder(folder: Path) -> Iterator[Callable[[], None]]:
    """Give a check, which raises an `OutputError` once `folder` names another folder, or none.

    A process can be paused for so long that its folder is removed and another made in its place:
    what it has to write is none of the other's. The folder is kept open, so that the other cannot
    have its number (where folders can be opened).
    """
    with ExitStack() as resources:
        with output_errors(folder):
            status = folder.stat()
            if hasattr(os, "O_DIRECTORY"):
                resources.callback(os.close, os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        yield lambda: check_same_file(folder, status)


def check_same_file(path: Path, status: os.stat_result) -> None:
    """Check that a path still names the file or folder that `status` is of.

    Raises
    ------
    OutputError
        If it names another, or none.
    """
    with output_errors(path):
        if not os.path.samestat(path.lstat(), status):
            raise OutputError(path, "it was removed, and another has its name now")


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, as `os.fsync` does for a file's content.

    A new name is an entry of the folder, which has its own place on the disk: until that is
    flushed, a power cut may leave a file that is whole and has no name. Where folders cannot
    be opened (on Windows, or without the right to read this one) nothing is done.
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
