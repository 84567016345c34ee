"""What makes a result reproducible: versions, model, parameters, and what the movies held."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from engine.follow.tally import FollowTally
from engine.inference import ModelExport
from engine.job.job import Job
from engine.untrusted.quoting import path_as_text
from readers import CropRectangle, MovieInfo
from sinks import FrameCounts, FrameRanges

_PACKAGES = ("posestream", "av", "numpy", "pandas", "tables", "pyarrow", "matplotlib")


_TOLD_ELSEWHERE = ("movies", "output_dir", "model", "crop_rect", "coordinates")
_WITHOUT_EFFECT = ("overwrite", "resume", "durable_every_s", "durable_every_frames")


@dataclass(frozen=True)
class MovieResult:
    """What became of one movie.

    Attributes
    ----------
    movie
        The movie.
    counts
        Its frames, and which of them had no picture.
    damage
        What is wrong with its file as a whole, in one line; None for nothing.
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
    """Describe what a run was made with."""
    parameters = asdict(job)
    for name in (*_TOLD_ELSEWHERE, *_WITHOUT_EFFECT):
        del parameters[name]
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
        "crop_rect": crop_as_json(job.crop_rect),
    }


def describe_movie(result: MovieResult) -> dict[str, object]:
    """Describe one movie of a run."""
    movie, counts = result.movie, result.counts
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
        "num_dropped": counts.dropped.num_frames,
        "num_not_decodable": counts.undecodable.num_frames,
        "num_skipped": counts.skipped.num_frames,
        "dropped_frames": _ranges_as_json(counts.dropped),
        "not_decodable_frames": _ranges_as_json(counts.undecodable),
        "skipped_frames": _ranges_as_json(counts.skipped),
        "damage": result.damage,
        "notes": movie.notes,
        "follow": None if result.follow is None else result.follow.as_json(),
    }


def _ranges_as_json(ranges: FrameRanges) -> dict[str, object]:
    return {"ranges": ranges.ranges, "num_ranges_left_out": ranges.num_left_out}


def crop_as_json(crop: CropRectangle | None) -> dict[str, int] | None:
    """Give a rectangle by the reference tool's names, or None for the whole frame."""
    return None if crop is None else asdict(crop)
