"""The input files of the reference tool: a job's parameters, as JSON."""

from __future__ import annotations

import difflib
import os
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

    Raises an `InputError` if the file is not a JSON object or larger than 16 MiB, or has unknown
    keys, a key twice, or more than one rectangle.
    """
    try:
        return _arguments(read_json(path, _MOST_BYTES), path.parent)
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise InputError(f"{printable(str(path))}: {reason}") from error
    except SettingsError as error:
        raise InputError(f"{printable(str(path))}: {error}") from error


def _arguments(content: object, folder: Path) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise SettingsError("must hold a JSON object of parameters")
    known = [field.name for field in fields(Job) if field.name != "movies"] + ["movie_files"]
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(key[:100], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise SettingsError(f"unknown parameter {short(key)}; {hint}")
    arguments = {key: value for key, value in content.items() if key != "movie_files"}
    if "movie_files" in content:
        names = content["movie_files"]
        if not isinstance(names, list) or len(names) > _MOST_MOVIES:
            raise SettingsError(
                f"movie_files must be a list of at most {_MOST_MOVIES} paths, got {short(names)}"
            )
        arguments["movies"] = [_path("movie_files", name, folder) for name in names]
    for key in ("model", "output_dir"):
        if content.get(key) is not None:
            arguments[key] = _path(key, content[key], folder)
    skeleton = content.get("skeleton")
    if isinstance(skeleton, str) and skeleton.lower().endswith((".yaml", ".yml")):
        arguments["skeleton"] = str(_path("skeleton", skeleton, folder))
    if "crop_rect" in content:
        arguments["crop_rect"] = _crop_rectangle(content["crop_rect"])
    return arguments


def _path(key: str, name: object, folder: Path) -> Path:
    if isinstance(name, str) and name:
        try:
            os.fsencode(name)
        except UnicodeEncodeError:  # JSON can write halves of characters
            pass
        else:
            return folder / name
    raise SettingsError(f"{key} must be a path, got {short(name)}")


def _crop_rectangle(given: object) -> CropRectangle | None:
    """Read the reference tool's list of at most one rectangle, or a rectangle of its own."""
    if given is None or given == []:
        return None
    rectangle = given[0] if isinstance(given, list) and len(given) == 1 else given
    sides: list[Any] = (
        [rectangle.get(key) for key in _CROP_KEYS] if isinstance(rectangle, dict) else [None]
    )
    for side in sides:
        is_number = isinstance(side, int | float) and not isinstance(side, bool)
        if not (is_number and abs(side) <= _LARGEST_COORDINATE_PX):
            keys = ", ".join(_CROP_KEYS)
            raise SettingsError(f"crop_rect must be one rectangle with {keys}, got {short(given)}")
    return CropRectangle(*map(round, sides))
