"""Input files of the reference tool: the same parameters, as JSON."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.job import Job
from readers import CropRectangle, InputError

_CROP_KEYS = ("left", "top", "width", "height")


def read_inputs(path: Path) -> dict[str, Any]:
    """Read an input file into keyword arguments of `Job`.

    Keys are the reference tool's (``movie_files``, ``crop_rect`` as a list of rectangles drawn in
    its window) and the names of `Job`'s attributes. Relative paths are relative to the file.

    Raises
    ------
    InputError
        If the file is not a JSON object, or has unknown keys or more than one rectangle.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # Windows adds a mark
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a JSON object of parameters")
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


def _check_keys(path: Path, keys: Iterable[str]) -> None:
    known = [field.name for field in fields(Job) if field.name != "movies"] + ["movie_files"]
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise InputError(f"{path}: unknown parameter {key!r}; {hint}")


def _paths(path: Path, key: str, names: object) -> list[Path]:
    if not isinstance(names, list):
        raise InputError(f"{path}: {key} must be a list of paths, got {names!r}")
    return [_path(path, key, name) for name in names]


def _path(path: Path, key: str, name: object) -> Path:
    if not isinstance(name, str) or not name:
        raise InputError(f"{path}: {key} must be a path, got {name!r}")
    return path.parent / name


def _crop_rectangle(path: Path, rectangles: object) -> CropRectangle | None:
    """Read the reference tool's list of at most one rectangle, or a rectangle of its own."""
    if rectangles is None or rectangles == []:
        return None
    rectangle = (
        rectangles[0] if isinstance(rectangles, list) and len(rectangles) == 1 else rectangles
    )
    if not isinstance(rectangle, Mapping) or any(
        not isinstance(rectangle.get(key), int | float) or not math.isfinite(rectangle[key])
        for key in _CROP_KEYS
    ):
        raise InputError(
            f"{path}: crop_rect must be one rectangle with {', '.join(_CROP_KEYS)}, "
            f"got {rectangles!r}"
        )
    return CropRectangle(*(round(rectangle[key]) for key in _CROP_KEYS))
