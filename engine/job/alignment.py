"""The alignment of a crop rectangle: a network's cells lie in it as in the whole frame, or not."""

from __future__ import annotations

from engine.inference import ModelExport
from engine.job.job import Job
from readers import CropRectangle, MovieInfo


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
    width, height = (
        _nearest_side(side, whole, period)
        for side, whole in zip((crop.width, crop.height), frame, strict=True)
    )
    return CropRectangle(
        min(crop.left, frame[0] - width), min(crop.top, frame[1] - height), width, height
    )


def _nearest_side(side: int, whole: int, period: int) -> int:
    missing = (whole - side) % period
    surplus = period - missing
    return side - surplus if surplus < missing and surplus < side else side + missing
