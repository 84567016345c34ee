"""JSON files that options name, outside the output directory; only our own are replaced."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from engine.untrusted.quoting import printable
from readers import InputError
from sinks import output_errors


def check_replaceable(option: str, path: Path, made_by: str) -> None:
    """Check, leaving nothing behind, that a JSON file can be written without loss to the user.

    Parameters
    ----------
    option
        Names the file in messages.
    path
        The file; a link stands for the file that it leads to.
    made_by
        The command that writes it; only what this command has written before may be replaced.

    Raises
    ------
    InputError
        If there is anything else under its name, or that of its temporary file, or it cannot be
        written.
    """
    path = Path(os.path.realpath(path))
    name = f"{option} {printable(str(path))}"
    try:
        if not path.parent.is_dir():
            raise InputError(f"{name}: its directory does not exist")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise InputError(f"{name}: cannot be written")
        for present in (path, _temporary(path)):
            if not _may_be_replaced(present, made_by, may_be_cut=present != path):
                raise InputError(
                    f"{name}: would replace {printable(present.name)}, which posestream {made_by} "
                    "did not make; give another name, or remove it"
                )
    except OSError as error:
        raise InputError(f"{name}: cannot be written ({error.strerror})") from error


def write_marked(path: Path, made_by: str, content: Mapping[str, object]) -> None:
    """Write a JSON object with the mark of its command, in one step: no reader sees a part of it.

    Raises
    ------
    OutputError
        If it cannot be written; what stood there before stays as it was.
    """
    path = Path(os.path.realpath(path))
    temporary = _temporary(path)
    text = json.dumps({"made_by": f"posestream {made_by}", **content}, indent=1, allow_nan=False)
    with output_errors(path):
        if path.exists() and not path.is_file():
            raise OSError("it exists and is not a file")  # a device or pipe would be replaced
        try:
            temporary.unlink(missing_ok=True)  # it may be a link that leads elsewhere
            with temporary.open("x", encoding="utf-8") as file:
                file.write(f"{text}\n")
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):  # what failed first is what matters
                temporary.unlink()
            raise


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _may_be_replaced(path: Path, made_by: str, *, may_be_cut: bool) -> bool:
    """Tell whether nothing is there, or what begins as `write_marked` begins it."""
    mark = f'{{\n "made_by": "posestream {made_by}"'.encode()
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
    except FileNotFoundError:
        return True
    with path.open("rb") as file:
        begin = file.read(len(mark))
    return begin == mark or (may_be_cut and mark.startswith(begin))
