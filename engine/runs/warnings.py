"""The warnings of a run: about its model, its movies, its crop rectangle and the disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from engine.builtin import DEMO_MOVIE
from engine.follow.settings import follow_warnings
from engine.inference import ModelExport
from engine.job.job import Job
from engine.run_folder.identity import MovieResult
from readers import CropRectangle, MovieInfo

_FATES = {
    "dropped": "were dropped by the recorder; their poses are NaN",
    "undecodable": "could not be decoded; their poses are NaN",
    "skipped": "were skipped while it was recorded; their poses are NaN; fill them in with "
    "posestream run --resume",
}
"""The fates of frames without a pose, by the names of their counts."""
_MOVIE_BYTES_PER_PIXEL = 0.005
"""Of a labelled movie, as measured on a noisy recording; clean ones take half as much."""
_NUMBER_BYTES = {"parquet": 8, "csv": 20}
_NUM_TIME_COLUMNS = 5


def model_warnings(job: Job, export: ModelExport, movies: Sequence[MovieInfo]) -> list[str]:
    """List the warnings about the model, a line each; `movies` is empty for a live run."""
    warnings = []
    if job.model is None and {movie.path for movie in movies} != {DEMO_MOVIE}:
        warnings.append(
            "no model was given: the built-in one has learned from generated movies alone "
            "and misleads on recordings"
        )
    if export.depends_on_batch:
        warnings.append(
            f"{export.directory}: this model's predictions depend on which frames share a batch "
            "(its batch normalisation is in training mode); it runs one frame at a time"
        )
    of_crop = (alignment_warning(job, export, movie) for movie in movies)
    return warnings + follow_warnings(job, export) + list(dict.fromkeys(filter(None, of_crop)))


def movie_warnings(job: Job, result: MovieResult) -> list[str]:
    """List the warnings about a movie that is done, a line each."""
    counts, claimed, found = result.counts, result.movie.num_frames_from_header, list[str]()
    if job.follow == "tracker" and result.follow is not None and result.follow.lacks_tracker:
        found.append(
            "no frame that was followed has a box of a tracker; the poses led to the windows"
        )
    if result.damage is not None:
        found.append(result.damage)
    for name, fate in _FATES.items():
        num_lost = getattr(counts, name).num_frames
        if num_lost:
            found.append(f"{num_lost} of {counts.num_frames} frames {fate}")
    if counts.num_frames < job.window_length:
        found.append(
            f"its {counts.num_frames} frames are fewer than the median filter's window of "
            f"{job.window_length}, which takes zeros for those beyond its ends and so draws poses "
            "towards zero; choose a smaller --window-length"
        )
    if claimed is not None and claimed != counts.num_frames:
        found.append(f"its header claims {claimed} frames, {counts.num_frames} are there")
    return [f"{result.movie.path}: {text}" for text in found]


def alignment_warning(job: Job, export: ModelExport, movie: MovieInfo) -> str | None:
    """Warn of a crop rectangle whose sides move all points; None where none is known to.

    The same rectangle and size of frames give the same text.
    """
    crop, geometry = job.crop_rect, export.geometry
    if crop is None or geometry is None:
        return None
    aligned = nearest_aligned(crop, (movie.width, movie.height), geometry.alignment_px)
    if aligned == crop:
        return None
    return (
        f"crop rectangle {crop}: divided by {geometry.alignment_px}, its sides leave other "
        f"remainders than those of the frames ({movie.width} x {movie.height}); this network "
        f"places all points up to {geometry.alignment_px - 1} px beside where it does in whole "
        f"frames; with {aligned} it does not"
    )


def nearest_aligned(crop: CropRectangle, frame: tuple[int, int], period: int) -> CropRectangle:
    """Find the rectangle whose sides leave the remainders by `period` that the frame's leave.

    Each side changes by as few pixels as can be, rather longer than shorter, within the frame;
    left and top stay where they can. The rectangle must lie inside the frame.
    """
    sides = []
    for side, whole in zip((crop.width, crop.height), frame, strict=True):
        missing = (whole - side) % period
        surplus = period - missing
        sides.append(side - surplus if surplus < missing and surplus < side else side + missing)
    corner = (min(crop.left, frame[0] - sides[0]), min(crop.top, frame[1] - sides[1]))
    return CropRectangle(*corner, *sides)


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
        f"output directory {job.output_dir}: the run may need {needed / 2**30:.1f} GiB, "
        f"{free / 2**30:.1f} GiB are free; if the disk runs full, make room and resume the run"
    )


def bytes_needed(job: Job, movies: Sequence[MovieInfo], num_body_parts: int) -> int:
    """Estimate the most that journals, tables and labelled movies, there twice, take on the disk.

    Movies that tell no length count nothing.
    """
    num_numbers = 3 * num_body_parts + _NUM_TIME_COLUMNS
    table_bytes = num_numbers * (2 * 8 + _NUMBER_BYTES[job.experiment_annotations_format])
    needed = 0
    for movie in movies:
        part = job.crop_rect or movie
        frame_bytes = table_bytes + 2 * _MOVIE_BYTES_PER_PIXEL * part.width * part.height
        needed += int((movie.num_frames_from_header or 0) * frame_bytes)
    return needed
