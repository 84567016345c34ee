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
from engine.job.job import Job
from engine.run_folder.provenance import describe_run
from engine.untrusted.quoting import cut, printable
from readers import CropRectangle, FrameStatus, MovieInfo, open_movie
from readers.errors import movie_errors

_MOST_SAMPLES = 64
_SAMPLE_BYTES = 2**19


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
    """Describe a file by its size and 64 samples of its contents, evenly from start to end.

    Up to 32 MiB, the samples are all there is. When it was changed, and by what name, says
    nothing: a copy has the same contents.

    Raises
    ------
    MovieError
        If it cannot be read.
    """
    digest = hashlib.sha256()
    with movie_errors(path), path.open("rb") as file:
        num_bytes = os.fstat(file.fileno()).st_size
        num_samples = min(_MOST_SAMPLES, -(-num_bytes // _SAMPLE_BYTES))
        for number in range(num_samples):
            last_start = num_bytes - _SAMPLE_BYTES
            file.seek(last_start * number // (num_samples - 1) if number else 0)
            digest.update(file.read(_SAMPLE_BYTES))
    return {"size_bytes": num_bytes, "sha256_of_samples": digest.hexdigest()}


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


def first_difference(
    before: Mapping[str, Any], now: Mapping[str, Any], movies: Sequence[MovieInfo]
) -> str | None:
    """Tell in what a run of `movies` is another one than before, None if in nothing."""
    for difference in _differences(before, now, movies):
        what, then, today = (printable(cut(str(told))) for told in difference)
        return f"{what} {then}, now it is {today}"
    return None


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], movies: Sequence[MovieInfo]
) -> list[tuple[str, object, object]]:
    found: list[tuple[str, object, object]] = []
    found += _different_values("", before.get("versions"), now["versions"])
    found += _different_values("the model's ", before.get("model"), now["model"])
    found += _different_values("", before.get("parameters"), now["parameters"])
    rest = ("coordinates", "crop_rect", "most_frames")
    found += _different_values(
        "", {key: before.get(key) for key in rest}, {key: now[key] for key in rest}
    )
    movies_before = before.get("movies")
    if not isinstance(movies_before, list):
        movies_before = []
    if len(movies_before) != len(movies):
        return [*found, ("a number of movies of", len(movies_before), len(movies))]
    for movie, then, today in zip(movies, movies_before, now["movies"], strict=True):
        found += _different_values(f"{movie.path.name}'s ", then, today)
    return found


def _different_values(
    prefix: str, before: object, now: Mapping[str, Any]
) -> list[tuple[str, object, object]]:
    if not isinstance(before, Mapping):  # somebody has changed what was noted
        before = {}
    return [
        (f"{prefix}{key.replace('_', ' ')}", before.get(key), now.get(key))
        for key in [*now, *(before.keys() - now.keys())]
        if before.get(key) != now.get(key)
    ]
