"""The disk space that a run will need, and a warning where it may not be there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from engine.job.job import Job
from readers import MovieInfo

_MOVIE_BYTES_PER_PIXEL = 0.005
"""Of a labelled movie, as measured on a noisy recording; clean ones take half as much."""
_NUMBER_BYTES = {"parquet": 8, "csv": 20}
_NUM_TIME_COLUMNS = 5


def space_warning(job: Job, movies: Sequence[MovieInfo], num_body_parts: int) -> str | None:
    """Give a warning if the disk may run full, None if there is room or no way to tell."""
    needed = bytes_needed(job, movies, num_body_parts)
    nearest = next(path for path in (job.output_dir, *job.output_dir.parents) if path.exists())
    try:
        free = shutil.disk_usage(nearest).free
    except OSError:
        return None
    if needed <= free:
        return None
    return (
        f"output directory {job.output_dir}: the run may need {_gib(needed)} GiB, "
        f"{_gib(free)} GiB are free; if the disk runs full, make room and resume the run"
    )


def bytes_needed(job: Job, movies: Sequence[MovieInfo], num_body_parts: int) -> int:
    """Estimate the most that a run has on the disk; movies that tell no length count nothing."""
    return sum(_bytes_of(job, movie, num_body_parts) for movie in movies)


def _bytes_of(job: Job, movie: MovieInfo, num_body_parts: int) -> int:
    """Estimate what a movie's journal, tables and labelled movie take, which is there twice."""
    width, height = movie.width, movie.height
    if job.crop_rect is not None:
        width, height = job.crop_rect.width, job.crop_rect.height
    num_numbers = 3 * num_body_parts + _NUM_TIME_COLUMNS
    table_bytes = num_numbers * (2 * 8 + _NUMBER_BYTES[job.experiment_annotations_format])
    frame_bytes = table_bytes + 2 * _MOVIE_BYTES_PER_PIXEL * width * height
    return int((movie.num_frames_from_header or 0) * frame_bytes)


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.1f}"
