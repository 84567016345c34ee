"""The settings of following an animal, and the model that is made ready for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.follow.window import Grid
from engine.inference import TRIED_SHAPE, ModelExport, PoseModel, load_model, usual_batch_size
from engine.job.job import Job
from readers import InputError

_USUAL_CONTEXT = 7
"""In strides: what points of DeepLabCut's MobileNet needed to move by 0.04 px at the median."""
_HEAVY = 50_000
"""Multiplications for a pixel: ResNets take 120,000 and more, MobileNets 3,000 to 15,000."""


@dataclass(frozen=True)
class FollowSettings:
    """The way in which an animal is followed.

    Attributes
    ----------
    stride_px
        The network's coarsest stride.
    context_px
        Pixels that the network needs around a point to place it as in the whole frame.
    uses_tracker
        Whether the boxes of the recorder's tracker are looked at, where there are some.
    is_calibrated
        Whether `context_px` is measured on each movie.
    is_heavy
        Whether the network's arithmetic outweighs all else by so much that the smallest windows
        are the fastest, of one frame each, and what makes them smaller is worth its time. Otherwise
        a run gains more where more is begun at a time, and where there are few sizes to get ready
        for.
    """

    stride_px: int
    context_px: int
    uses_tracker: bool
    is_calibrated: bool
    is_heavy: bool

    @property
    def batch_size(self) -> int:
        """Frames that share a window: enough to keep cores busy, few for an animal to go far.

        It is the same on all machines, since poses may depend on it.
        """
        return 1 if self.is_heavy else 4

    @property
    def most_sizes(self) -> int:
        """Sizes of windows that the runtime is ready for; each holds the weights once more."""
        return 6 if self.is_heavy else 8

    def grid(self, width: int, height: int) -> Grid:
        """Give the grid of windows of a picture."""
        side_step = 2 if self.is_heavy else 4
        return Grid(width, height, self.stride_px, side_step, self.most_sizes)


def follow_settings(job: Job, export: ModelExport) -> FollowSettings | None:
    """Choose how to follow; None for whole frames.

    Raises
    ------
    InputError
        If the model's poses of a window are not those of the frame, and the job insists.
    """
    hindrance, geometry = _hindrance(export), export.geometry
    if job.follow == "off" or (job.follow == "auto" and hindrance is not None):
        return None
    if hindrance is not None or geometry is None:
        raise InputError(f"follow {job.follow}: {hindrance}; only off and auto are possible")
    return FollowSettings(
        stride_px=geometry.stride_px,
        context_px=min(_USUAL_CONTEXT * geometry.stride_px, geometry.receptive_field_px // 2),
        uses_tracker=job.follow in ("tracker", "auto"),
        is_calibrated=job.follow == "auto",
        is_heavy=geometry.multiplications_per_px > _HEAVY,
    )


def follow_warnings(job: Job, export: ModelExport) -> list[str]:
    """Say why an animal is not followed where it could have been, a line each."""
    hindrance = _hindrance(export)
    if job.follow != "auto" or hindrance is None:
        return []
    return [f"follow auto: {hindrance}; all frames are looked at whole"]


def _hindrance(export: ModelExport) -> str | None:
    if export.depends_on_batch:
        return (
            f"{export.directory}: this model normalises each picture by itself, so its poses in a "
            "window are not those of the frame"
        )
    if export.geometry is None:
        return f"{export.directory}: the stride of this model cannot be found in its graph"
    return None


def load_for(
    job: Job,
    export: ModelExport,
    runtime: str,
    *,
    image_shapes: Sequence[tuple[int, ...]] = (),
    is_prompt: bool = False,
) -> PoseModel:
    """Load a model for a job: for whole frames alone, or for windows too; see `load_model`.

    `image_shapes` are height, width and channels of the frames that will come, where known.
    """
    follow = follow_settings(job, export)
    shapes = image_shapes or [TRIED_SHAPE]
    given = job.batch_size if isinstance(job.batch_size, int) else None
    if follow is None:
        batch_size = given or (1 if is_prompt else max(map(usual_batch_size, shapes)))
        return load_model(
            export, runtime, image_shapes=shapes, batch_size=batch_size, is_prompt=is_prompt
        )
    batch_size = given or follow.batch_size
    return load_model(
        export,
        runtime,
        image_shapes=shapes,
        batch_size=batch_size,
        is_prompt=is_prompt,
        num_sizes=1 + follow.most_sizes,
        most_ahead=2 * batch_size,  # one batch, and the one before
        continues_windows=follow.is_heavy,
    )
