"""The description of a run and its movies, and of what must stay the same to go on with it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.follow.tally import FollowTally
from engine.inference import ModelExport
from engine.job.job import Job
from engine.untrusted.quoting import cut, path_as_text, printable
from readers import CropRectangle, FrameStatus, MovieInfo, open_movie
from readers.errors import movie_errors
from sinks import FrameCounts

_MOST_SAMPLES = 64
_SAMPLE_BYTES = 2**19
_PACKAGES = ("posestream", "av", "numpy", "pandas", "tables", "pyarrow", "matplotlib")
_TOLD_ELSEWHERE = ("movies", "output_dir", "model", "coordinates")
_WITHOUT_EFFECT = ("overwrite", "resume", "durable_every_s", "durable_every_frames")
_OTHER_KEYS = ("coordinates", "crop_rect", "most_frames")


@dataclass(frozen=True)
class MovieResult:
    """The outcome of one movie.

    Attributes
    ----------
    movie, counts
        The movie, and its frames: how many, and which of them had no picture.
    damage
        The damage of its file as a whole, in one line; None for no damage.
    follow
        How its frames were looked at; None where all were looked at whole.
    """

    movie: MovieInfo
    counts: FrameCounts
    damage: str | None
    follow: FollowTally | None = None

    @property
    def num_frames(self) -> int:
        """All frames, with or without a picture."""
        return self.counts.num_frames

    @property
    def is_damaged(self) -> bool:
        """Whether there is anything in the file that could not be read."""
        return self.damage is not None or self.counts.undecodable.num_frames > 0


def describe_run(job: Job, export: ModelExport, runtime: str) -> dict[str, object]:
    """Describe the versions, the model and the parameters that a run was made with."""
    parameters = asdict(job)
    for name in (*_TOLD_ELSEWHERE, *_WITHOUT_EFFECT):
        del parameters[name]
    crop_rect = parameters.pop("crop_rect")
    if job.skeleton is not None:
        parameters["skeleton"] = path_as_text(Path(job.skeleton))
    return {
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in _PACKAGES},
        "model": {
            "path": path_as_text(export.directory),
            "sha256": export.sha256,
            "scorer": export.scorer,
            "runtime": runtime,
        },
        "parameters": parameters,
        "coordinates": job.coordinates,
        "crop_rect": crop_rect,
    }


def describe_movie(result: MovieResult) -> dict[str, object]:
    """Describe one movie of a run."""
    movie, counts = result.movie, result.counts
    lost = {
        "dropped": counts.dropped,
        "not_decodable": counts.undecodable,
        "skipped": counts.skipped,
    }
    return {
        "path": path_as_text(movie.path),
        "format": movie.format,
        "width": movie.width,
        "height": movie.height,
        "orientation": str(movie.orientation),
        "frame_rate": float(movie.frame_rate),
        "start_time_ms": movie.start_time_ms,
        "num_frames_in_header": movie.num_frames_from_header,
        "num_frames": result.num_frames,
        **{f"num_{fate}": frames.num_frames for fate, frames in lost.items()},
        **{
            f"{fate}_frames": {"ranges": frames.ranges, "num_ranges_left_out": frames.num_left_out}
            for fate, frames in lost.items()
        },
        "damage": result.damage,
        "notes": movie.notes,
        "follow": None if result.follow is None else result.follow.as_json(),
    }


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
    movies that were read while they were recorded only the first picture is sure to stay.
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
    return dict(json.loads(json.dumps(identity)))  # tuples become lists, as when read


def fingerprint(path: Path) -> dict[str, Any]:
    """Describe a file by its size and 64 samples of its contents, evenly from start to end.

    Up to 32 MiB, the samples are the whole file. Its name and times do not count: a copy has the
    same contents.

    Raises a `MovieError` if it cannot be read.
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


def first_picture(movie: MovieInfo, crop: CropRectangle | None) -> dict[str, str]:
    """Describe a movie by the first frame that was recorded, as `picture_digest` does.

    Raises a `MovieError` if it cannot be read.
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
    """Say how a run of `movies` first differs from one before; None if it does not."""
    sections = [
        ("", before.get("versions"), now["versions"]),
        ("the model's ", before.get("model"), now["model"]),
        ("", before.get("parameters"), now["parameters"]),
        *(("", {key: before.get(key)}, {key: now[key]}) for key in _OTHER_KEYS),
    ]
    movies_before = before.get("movies")
    if not isinstance(movies_before, list):
        movies_before = []
    if len(movies_before) == len(movies):
        for movie, then, today in zip(movies, movies_before, now["movies"], strict=True):
            sections.append((f"{movie.path.name}'s ", then, today))
    else:
        key = "a number of movies of"
        sections.append(("", {key: len(movies_before)}, {key: len(movies)}))
    for prefix, then, today in sections:
        if not isinstance(then, Mapping):  # the record was edited by hand
            then = {}
        for key in [*today, *(then.keys() - today.keys())]:
            if then.get(key) != today.get(key):
                told = f"{prefix}{key.replace('_', ' ')}", then.get(key), today.get(key)
                name, old, new = (printable(cut(str(part))) for part in told)
                return f"{name} {old}, now it is {new}"
    return None
