"""How a job's labelled movie is drawn."""

from __future__ import annotations

from collections.abc import Sequence

from engine.job.job import Job
from engine.job.skeleton import Skeleton, check_body_parts, find_skeleton
from sinks import OverlayStyle
from sinks.plain_matplotlib import matplotlib


def overlay_style(job: Job, body_parts: Sequence[str]) -> OverlayStyle:
    """Say how a job draws the poses of a model.

    Raises
    ------
    InputError
        If the job names body parts that the model does not have.
    """
    displayed = displayed_body_parts(job.displayed_body_parts)
    if displayed is not None:
        check_body_parts("displayed body parts", displayed, body_parts)
    skeleton = Skeleton(())
    if job.draw_skeleton or job.skeleton is not None:
        skeleton = find_skeleton(job.skeleton, body_parts)
    return OverlayStyle(
        displayed_body_parts=displayed,
        p_cutoff=job.p_cutoff,
        dot_size_px=job.dot_size,
        color_map=job.color_map,
        keypoints_only=job.keypoints_only,
        draw_skeleton=job.draw_skeleton,
        skeleton=skeleton.pairs,
        skeleton_color=None if _is_hidden(skeleton.color, job) else skeleton.color,
        trail_points=job.trail_points,
    )


def _is_hidden(color: str | None, job: Job) -> bool:
    """Tell whether lines would be black on black: black is what every DeepLabCut config says."""
    return job.keypoints_only and color is not None and matplotlib.colors.same_color(color, "black")


def displayed_body_parts(given: str | Sequence[str]) -> tuple[str, ...] | None:
    """Read ``all`` (None), or names as a list or separated by commas, quoted or not."""
    if isinstance(given, str):
        if given.strip().lower() == "all":
            return None
        given = given.split(",")
    return tuple(name.strip().strip("\"'") for name in given)
