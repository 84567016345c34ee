"""The description of a movie or an export, for people and for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from engine.inference import read_export
from engine.machine.workers import undisturbed
from engine.untrusted.quoting import path_as_text, printable
from readers import (
    CropRectangle,
    FrameStatus,
    InputError,
    MovieError,
    MovieInfo,
    inspect_movie,
    open_movie,
)
from readers.formats import format_named
from readers.frames import AS_STORED

_MOST_PIXELS = 2**29
"""Of a movie that is looked through."""
_BATCH_SIZE = 64
_NOT_SHOWN = ("num_frames_is_estimated",)
_NOTHING = {"damage": "none", "num_not_decodable": "not looked at: the movie is long"}
"""The words for a value that is None, by key."""


def inspect(path: Path) -> dict[str, object]:
    """Describe a movie file, or the folder of a DeepLabCut export, by plain JSON values.

    Raises an `InputError` if it is neither.
    """
    try:
        is_directory = path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not is_directory:
        return _describe_movie(undisturbed(inspect_movie, path))
    export = read_export(path)
    return {
        "model": path_as_text(export.directory),
        "body_parts": list(export.body_parts),
        "network": export.network,
        "scorer": export.scorer,
        "depends_on_batch": export.depends_on_batch,
        **export.details,
        "sha256": export.sha256,
    }


def _describe_movie(movie: MovieInfo) -> dict[str, object]:
    found = undisturbed(_look_through, movie)
    num_frames = _estimated_num_frames(movie) if found is None else int(found["num_frames"])
    is_checked = format_named(movie.format).is_checked
    description: dict[str, object] = {
        "movie": path_as_text(movie.path),
        "format": movie.format,
        "width_px": movie.width,
        "height_px": movie.height,
        "frame_rate": round(float(movie.frame_rate), 6),
        "frame_period_s": round(float(movie.frame_period_s), 9),
        "num_frames": num_frames,
        "num_frames_is_estimated": found is None and num_frames is not None and not is_checked,
        "num_dropped": movie.num_dropped_from_header,
        "num_not_decodable": None,
        "damage": movie.damage,
        "notes": list(movie.notes),
        **(found or {}),
    }
    if movie.orientation != AS_STORED:
        description["orientation"] = str(movie.orientation)
    if num_frames is not None:
        description["duration_s"] = round(float(num_frames * movie.frame_period_s), 6)
    if movie.start_time_ms is not None:
        description["start_time"] = _iso_time(movie.start_time_ms)
    if movie.hardware_counters_us is not None:
        first_us, last_us = movie.hardware_counters_us
        description["first_hardware_counter_us"] = first_us
        description["last_hardware_counter_us"] = last_us
    return description


def _look_through(movie: MovieInfo) -> dict[str, Any] | None:
    """Read a movie as a run does, if it is short; None for one that would take long.

    Only decoding checks the claims that a file makes of its frames. A few seconds of that are
    allowed: half a gigapixel, a minute at 640 x 480.
    """
    num_pixels = movie.width * movie.height
    most_frames = max(1, _MOST_PIXELS // num_pixels)
    estimated = _estimated_num_frames(movie)
    # A file of fewer bytes than the frames that it claims is wrong about them.
    if estimated is not None and most_frames < estimated < movie.path.stat().st_size:
        return None
    counts = np.zeros(len(FrameStatus), np.int64)
    images = np.empty((_BATCH_SIZE, 1, 1, 3), np.uint8)
    with open_movie(movie, CropRectangle(0, 0, 1, 1)) as reader:
        try:
            while (batch := reader.read(images)) is not None:
                counts += np.bincount(batch.status, minlength=len(counts))
                if counts.sum() > most_frames:
                    return None
        except MovieError as error:
            damage: str | None = str(error).removeprefix(f"{printable(movie.path)}: ")
        else:
            damage = reader.damage
    tells_dropped = format_named(movie.format).tells_dropped  # of others, 0 would be a claim
    return {
        "num_frames": int(counts.sum()),
        "num_dropped": int(counts[FrameStatus.DROPPED]) if tells_dropped else None,
        "num_not_decodable": int(counts[FrameStatus.UNDECODABLE]),
        "damage": damage,
    }


def _estimated_num_frames(movie: MovieInfo) -> int | None:
    """Tell how many frames the file claims, or about; None where it does not tell."""
    if movie.num_frames_from_header is not None:
        return movie.num_frames_from_header if movie.damage is None else None
    if movie.duration_s is None:
        return None
    return max(1, round(movie.duration_s * movie.frame_rate))


def _iso_time(time_ms: int) -> str | None:
    try:
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    except OverflowError:  # on no calendar: the header is not to be trusted
        return None
    return time.isoformat(timespec="milliseconds")


def as_text(description: dict[str, object]) -> str:
    """Lay a description out for reading, one thing a line."""
    shown = {key: value for key, value in description.items() if key not in _NOT_SHOWN}
    if description.get("num_frames_is_estimated"):
        shown["num_frames"] = f"about {shown['num_frames']}"
    width = max(len(key) for key in shown)
    lines = []
    for key, value in shown.items():
        if value is None:
            told = _NOTHING.get(key, "not told by the file")
        elif isinstance(value, bool):
            told = "yes" if value else "no"
        elif isinstance(value, list):
            told = printable(", ".join(map(str, value))) or "none"
        else:
            told = printable(str(value))
        lines.append(f"{key.replace('_', ' '):{width}}  {told}")
    return "\n".join(lines)
