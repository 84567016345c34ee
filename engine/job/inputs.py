"""Input files of the reference tool: a job's parameters, as JSON."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.job.job import Job
from engine.untrusted.quoting import printable, short
from engine.untrusted.small_files import SettingsError, read_json
from readers import CropRectangle, InputError

_CROP_KEYS = ("left", "top", "width", "height")
_MOST_BYTES = 16 * 2**20
_MOST_MOVIES = 100_000
_LARGEST_COORDINATE_PX = 1e6


def read_inputs(path: Path) -> dict[str, Any]:
    """Read an input file into keyword arguments of `Job`.

    Keys are the reference tool's (``movie_files``, ``crop_rect`` as a list of rectangles drawn in
    its window) and the names of `Job`'s attributes. Relative paths are relative to the file.

    Raises
    ------
    InputError
        If the file is not a JSON object or larger than 16 MiB, or has unknown keys, a key twice,
        or more than one rectangle.
    """
    try:
        content = read_json(path, _MOST_BYTES)
    except OSError as error:
        raise InputError(f"{_name(path)}: cannot be read ({error.strerror})") from error
    except SettingsError as error:
        raise InputError(f"{_name(path)}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{_name(path)}: must hold a JSON object of parameters")
    _check_keys(path, content)
    arguments = {key: value for key, value in content.items() if key != "movie_files"}
    if "movie_files" in content:
        arguments["movies"] = _paths(path, "movie_files", content["movie_files"])
    for key in ("model", "output_dir"):
        if content.get(key) is not None:
            arguments[key] = _path(path, key, content[key])
    skeleton = content.get("skeleton")
    if isinstance(skeleton, str) and skeleton.lower().endswith((".yaml", ".yml")):
        arguments["skeleton"] = str(_path(path, "skeleton", skeleton))
    if "crop_rect" in content:
        arguments["crop_rect"] = _crop_rectangle(path, content["crop_rect"])
    return arguments


def _name(path: Path) -> str:
    return printable(str(path))


def _check_keys(path: Path, keys: Iterable[str]) -> None:
    known = [field.name for field in fields(Job) if field.name != "movies"] + ["movie_files"]
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key[:100], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise InputError(f"{_name(path)}: unknown parameter {short(key)}; {hint}")


def _paths(path: Path, key: str, names: object) -> list[Path]:
    if not isinstance(names, list) or len(names) > _MOST_MOVIES:
        raise InputError(
            f"{_name(path)}: {key} must be a list of at most {_MOST_MOVIES} paths, "
            f"got {short(names)}"
        )
    return [_path(path, key, name) for name in names]


def _path(path: Path, key: str, name: object) -> Path:
    if not isinstance(name, str) or not name or not _is_encodable(name):
        raise InputError(f"{_name(path)}: {key} must be a path, got {short(name)}")
    return path.parent / name


def _is_encodable(name: str) -> bool:
    """Tell whether a file may be named so: JSON can write halves of characters."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _crop_rectangle(path: Path, rectangles: object) -> CropRectangle | None:
    """Read the reference tool's list of at most one rectangle, or a rectangle of its own."""
    if rectangles is None or rectangles == []:
        return None
    rectangle = (
        rectangles[0] if isinstance(rectangles, list) and len(rectangles) == 1 else rectangles
    )
    if not isinstance(rectangle, Mapping) or not all(
        _is_coordinate(rectangle.get(key)) for key in _CROP_KEYS
    ):
        raise InputError(
            f"{_name(path)}: crop_rect must be one rectangle with {', '.join(_CROP_KEYS)}, "
            f"got {short(rectangles)}"
        )
    return CropRectangle(*(round(rectangle[key]) for key in _CROP_KEYS))


def _is_coordinate(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= _LARGEST_COORDINATE_PX
    )
