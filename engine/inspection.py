"""What a movie or an export is, for people and for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.inference import ModelExport, read_export
from engine.undisturbed import undisturbed
from engine.wording import path_as_text
from readers import InputError, MovieInfo, inspect_movie


def inspect(path: Path) -> dict[str, object]:
    """Describe a movie file, or the folder of a DeepLabCut export, by plain JSON values.

    Raises
    ------
    InputError
        If it is neither.
    """
    try:
        is_directory = path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if is_directory:
        return _describe_export(read_export(path))
    return _describe_movie(undisturbed(inspect_movie, path))


def _describe_movie(movie: MovieInfo) -> dict[str, object]:
    description: dict[str, object] = {
        "movie": path_as_text(movie.path),
        "format": movie.format,
        "width_px": movie.width,
        "height_px": movie.height,
        "frame_rate": round(float(movie.frame_rate), 6),
        "frame_period_s": round(float(movie.frame_period_s), 9),
        "num_frames": movie.num_frames_from_header,
        "num_dropped": movie.num_dropped_from_header,
    }
    if movie.num_frames_from_header is not None:
        duration_s = movie.num_frames_from_header * movie.frame_period_s
        description["duration_s"] = round(float(duration_s), 6)
    if movie.start_time_ms is not None:
        description["start_time"] = _iso_time(movie.start_time_ms)
    if movie.hardware_counters_us is not None:
        first_us, last_us = movie.hardware_counters_us
        description["first_hardware_counter_us"] = first_us
        description["last_hardware_counter_us"] = last_us
    return description


def _iso_time(time_ms: int) -> str | None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        return (epoch + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds")
    except OverflowError:  # on no calendar: the header is not to be trusted
        return None


def _describe_export(export: ModelExport) -> dict[str, object]:
    return {
        "model": path_as_text(export.directory),
        "body_parts": list(export.body_parts),
        "network": export.network,
        "scorer": export.scorer,
        "flavour": "poses" if export.predicts_poses else "score maps",
        "depends_on_batch": export.depends_on_batch,
        "stride_px": export.stride_px,
        "sha256": export.sha256,
    }


def as_text(description: dict[str, object]) -> str:
    """Lay a description out for reading, one thing a line."""
    width = max(len(key) for key in description)
    return "\n".join(
        f"{key.replace('_', ' '):{width}}  {_value_as_text(value)}"
        for key, value in description.items()
    )


def _value_as_text(value: object) -> str:
    if value is None:
        return "not told by the file"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
