"""What makes a result reproducible: versions, model, parameters, and what the movies held."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version

from engine.inference import ModelExport
from engine.job import Job
from readers import CropRectangle, MovieInfo

_PACKAGES = ("posestream", "av", "numpy", "pandas", "tables", "pyarrow", "matplotlib")


@dataclass(frozen=True)
class MovieResult:
    """What became of one movie."""

    movie: MovieInfo
    num_frames: int
    num_dropped: int
    num_undecodable: int


def describe_run(job: Job, export: ModelExport, runtime: str) -> dict[str, object]:
    """Describe what a run was made with."""
    parameters = asdict(job)
    for name in ("movies", "output_dir", "model", "overwrite", "crop_rect", "coordinates"):
        del parameters[name]  # told elsewhere, or of no effect on the results
    return {
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in _PACKAGES},
        "model": {
            "path": str(export.directory),
            "sha256": export.sha256,
            "scorer": export.scorer,
            "runtime": runtime,
        },
        "parameters": parameters,
        "coordinates": job.coordinates,
        "crop_rect": crop_as_json(job.crop_rect),
    }


def describe_movie(result: MovieResult) -> dict[str, object]:
    """Describe one movie of a run."""
    movie = result.movie
    return {
        "path": str(movie.path),
        "format": movie.format,
        "width": movie.width,
        "height": movie.height,
        "frame_rate": float(movie.frame_rate),
        "start_time_ms": movie.start_time_ms,
        "num_frames_in_header": movie.num_frames_from_header,
        "num_frames": result.num_frames,
        "num_dropped": result.num_dropped,
        "num_not_decodable": result.num_undecodable,
    }


def crop_as_json(crop: CropRectangle | None) -> dict[str, int] | None:
    """Give a rectangle by the reference tool's names, or None for the whole frame."""
    return None if crop is None else asdict(crop)
