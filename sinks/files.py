"""Output files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sinks.errors import output_errors


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, and rename it to `path` if the block succeeds.

    The temporary file keeps the suffix, since libraries choose the format by it, and its name
    begins with a dot. What stands under that name before is removed: it may be the rest of a
    run that was killed, or a link that leads elsewhere. The file is flushed to the disk before
    it is renamed, and its folder after that. If the block raises, the temporary file is removed
    and whatever stood under `path` before stays as it was.

    Raises
    ------
    OutputError
        If the file cannot be flushed or renamed. What the block raises is passed on as it is.
    """
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    with output_errors(path):
        temporary.unlink(missing_ok=True)
    try:
        yield temporary
        with output_errors(path):
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # of a disk that is gone, say: report what failed first
            temporary.unlink()
        raise
    with output_errors(path):
        flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, as `os.fsync` does for a file's content.

    A new name is an entry of the folder, which has its own place on the disk: until that is
    flushed, a power cut may leave a file that is whole and has no name. Where folders cannot
    be opened (Windows) there is no such call, and nothing is done.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
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
