"""What must be the same for one run to go on with another's work."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference import ModelExport
from engine.job import Job
from engine.provenance import describe_run
from engine.wording import cut, printable
from readers import CropRectangle, FrameStatus, InputError, MovieInfo, open_movie
from readers.errors import movie_errors

_FINGERPRINT_BYTES = 2**20


def identify(
    job: Job,
    export: ModelExport,
    runtime: str,
    movies: Sequence[MovieInfo],
    most_frames: int | None,
    *,
    is_live: bool = False,
) -> dict[str, Any]:
    """Describe all that the outputs depend on, as JSON can hold it.

    Paths of movies and model are left out: their contents tell whether they are the same. Of
    movies that a live run has followed only the first picture is known to stay as it was.
    """
    description: dict[str, Any] = describe_run(job, export, runtime)
    identity = {
        **description,
        "model": {key: description["model"][key] for key in ("sha256", "runtime")},
        "movies": [
            first_picture(movie, job.crop_rect) if is_live else fingerprint(movie.path)
            for movie in movies
        ],
        "most_frames": most_frames,
    }
    plain: dict[str, Any] = json.loads(json.dumps(identity))  # tuples become lists, as when read
    return plain


def fingerprint(path: Path) -> dict[str, Any]:
    """Describe a file's content by its size, the time of its last change, and both its ends.

    Raises
    ------
    MovieError
        If it cannot be read.
    """
    with movie_errors(path), path.open("rb") as file:
        status = os.fstat(file.fileno())
        digest = hashlib.sha256(file.read(_FINGERPRINT_BYTES))
        file.seek(max(0, status.st_size - _FINGERPRINT_BYTES))
        digest.update(file.read(_FINGERPRINT_BYTES))
    return {
        "size_bytes": status.st_size,
        "changed_ns": status.st_mtime_ns,
        "sha256_of_ends": digest.hexdigest(),
    }


def first_picture(movie: MovieInfo, crop: CropRectangle | None) -> dict[str, Any]:
    """Describe a movie by the first frame that was recorded, as `picture_digest` does.

    Raises
    ------
    MovieError
        If it cannot be read.
    """
    with open_movie(movie, crop) as reader:
        images = np.empty((1, *reader.image_shape), np.uint8)
        while (batch := reader.read(images)) is not None:
            if batch.status[0] != FrameStatus.DROPPED:
                break
    return picture_digest(images[0])


def picture_digest(image: NDArray[np.uint8]) -> dict[str, str]:
    """Describe a picture, uint8, shape (height, width, 3)."""
    return {"sha256_of_first_picture": hashlib.sha256(image.tobytes()).hexdigest()}


def digest(identity: Mapping[str, Any]) -> str:
    """Give the SHA-256 of an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def check_same(
    output_dir: Path, before: Mapping[str, Any], now: Mapping[str, Any], movies: Sequence[MovieInfo]
) -> None:
    """Check that a run is the one that was begun.

    Raises
    ------
    InputError
        If it is not; the message names the first difference.
    """
    difference = next(iter(_differences(before, now, movies)), None)
    if difference is not None:
        what, then, today = (printable(cut(str(told))) for told in difference)
        raise InputError(
            f"output directory {output_dir}: its unfinished run was begun with {what} {then}, "
            f"now it is {today}; give the same to go on, or start anew with --overwrite"
        )


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], movies: Sequence[MovieInfo]
) -> list[tuple[str, object, object]]:
    found: list[tuple[str, object, object]] = []
    found += _different_values("", before.get("versions", {}), now["versions"])
    found += _different_values("the model's ", before.get("model", {}), now["model"])
    found += _different_values("", before.get("parameters", {}), now["parameters"])
    rest = ("coordinates", "crop_rect", "most_frames")
    found += _different_values(
        "", {key: before.get(key) for key in rest}, {key: now[key] for key in rest}
    )
    movies_before = before.get("movies", [])
    if len(movies_before) != len(movies):
        return [*found, ("a number of movies of", len(movies_before), len(movies))]
    for movie, then, today in zip(movies, movies_before, now["movies"], strict=True):
        found += _different_values(f"{movie.path.name}'s ", then, today)
    return found


def _different_values(
    prefix: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> list[tuple[str, object, object]]:
    return [
        (f"{prefix}{key.replace('_', ' ')}", before.get(key), now.get(key))
        for key in [*now, *(before.keys() - now.keys())]
        if before.get(key) != now.get(key)
    ]
