"""The settings of following an animal, what of them is measured on movies, and its model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.follow.animal import Animal
from engine.follow.window import Grid, Region
from engine.inference import TRIED_SHAPE, ModelExport, PoseModel, load_model, usual_batch_size
from engine.job.job import Job
from engine.pipeline.pipeline import FrameSource
from readers import FrameStatus, InputError
from sinks import whole_file

_USUAL_CONTEXT = 7
"""In strides: what points of DeepLabCut's MobileNet needed to move by 0.04 px at the median."""
_HEAVY = 50_000
"""Multiplications for a pixel: ResNets take 120,000 and more, MobileNets 3,000 to 15,000."""
_EVERY_FRAMES = 15
_MOST_TRIED = 32
_ENOUGH_POINTS = 100
_MOST_BYTES = 64 * 2**20
"""Of images that are kept to compare."""
_FEWEST_IMAGES = 4
_CONTEXTS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20)
"""In half strides."""
_WITHIN_PX = {0.5: 0.05, 0.95: 0.2, 0.99: 1.0}
"""Shares of the points, and how far off they may be: a hundred points say little of the last."""
_HEAVY_WITHIN_PX = {0.95: 0.06, 0.99: 1.0}
"""Where batches have one frame, for which alone a point may be off: with 0.2 px, a ResNet's points
near two equally likely places ran off for up to eight."""


@dataclass(frozen=True)
class FollowSettings:
    """The way in which an animal is followed."""

    stride_px: int
    """The network's coarsest stride."""
    context_px: int
    """Pixels that the network needs around a point to place it as in the whole frame."""
    uses_tracker: bool
    """Whether the boxes of the recorder's tracker are looked at, where there are some."""
    is_calibrated: bool
    """Whether `context_px` is measured on each movie."""
    is_heavy: bool
    """Whether the network's arithmetic outweighs all else by so much that the smallest windows are
    the fastest, of one frame each, and what makes them smaller is worth its time. Otherwise a run
    gains more where more is begun at a time, and where there are few sizes to get ready for."""

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
    load = partial(load_model, export, runtime, image_shapes=shapes, is_prompt=is_prompt)
    if follow is None:
        return load(batch_size=given or (1 if is_prompt else max(map(usual_batch_size, shapes))))
    batch_size = given or follow.batch_size
    return load(
        batch_size=batch_size,
        num_sizes=1 + follow.most_sizes,
        most_ahead=2 * batch_size,  # one batch, and the one before
        continues_windows=follow.is_heavy,
    )


@dataclass(frozen=True)
class Calibration:
    """The pixels that a network needs around a point, as measured on a movie."""

    context_px: int
    num_frames: int
    """Frames that it was measured on; 0 where no animal was found, and the usual was taken."""
    num_points: int = 0
    """Points in windows that were compared with whole frames."""
    median_error_px: float = 0.0
    p99_error_px: float = 0.0
    """Half of these points, and 99 %, were off by no more than these."""


class Frames(FrameSource, Protocol):
    """The frames of a movie, of which some can be passed over."""

    def skip(self, num_frames: int) -> int:
        """Pass over the next frames."""


def calibrate(frames: Frames, model: PoseModel, follow: FollowSettings) -> Calibration:
    """Measure the least distance from a window's edge at which points are as in the whole frame.

    Of the first 480 frames, some in which the animal is found are looked at in windows that are
    larger and larger, and as tight on one side as any in a followed run. The first context is taken
    with which half of the points are within 0.05 px, 95 % within 0.2 px and 99 % within 1 px (of a
    heavy network, 95 % within 0.06 px); the largest where none is good enough; that of `follow`
    where no animal is found. The movie must be at its first frame.
    """
    seen = _seen(frames, model)
    if not seen:
        return Calibration(follow.context_px, 0)
    height, width, _ = frames.image_shape
    grid = follow.grid(width, height)
    within_px = _HEAVY_WITHIN_PX if follow.is_heavy else _WITHIN_PX
    for context in _CONTEXTS:
        context_px = context * follow.stride_px // 2
        error_px = _errors_px(seen, context_px, model, grid)
        if error_px is None:  # where nothing tighter is good enough, a run takes whole frames
            return Calibration(context_px, len(seen))
        told = np.median(error_px), np.percentile(error_px, 99)
        rounded = (round(float(value), 4) for value in told)
        found = Calibration(context_px, len(seen), len(error_px), *rounded)
        if all(np.mean(error_px <= most) >= share for share, most in within_px.items()):
            break
    return found


def calibrated(follow: FollowSettings | None, found: Calibration | None) -> FollowSettings | None:
    """Give settings with what was measured, if anything was."""
    if follow is None or found is None:
        return follow
    return replace(follow, context_px=found.context_px)


class _Seen(NamedTuple):
    """A frame in which the animal is found."""

    image: NDArray[np.uint8]
    """Shape (1, height, width, 3)."""
    is_likely: NDArray[np.bool_]
    """Shape (body parts,): which of them are likely in the whole frame."""
    points: NDArray[np.float64]
    """Shape (likely body parts, 2): their x and y."""


def _seen(frames: Frames, model: PoseModel) -> list[_Seen]:
    """Look at whole frames until there are enough with points to compare."""
    images = np.empty((1, *frames.image_shape), np.uint8)
    most_images = max(_FEWEST_IMAGES, _MOST_BYTES // images.nbytes)
    animal = Animal.unknown(len(model.body_parts))
    seen: list[_Seen] = []
    num_points = 0
    for _ in range(_MOST_TRIED):
        batch = frames.read(images)
        if batch is None or num_points >= _ENOUGH_POINTS or len(seen) == most_images:
            break
        if batch.status[0] == FrameStatus.DECODED:
            (pose,) = model.predict(images)
            animal = animal.after(pose)
            if animal.is_found:
                is_likely = animal.is_seen
                seen.append(_Seen(images.copy(), is_likely, pose[is_likely, :2]))
                num_points += int(is_likely.sum())
        frames.skip(_EVERY_FRAMES - 1)
    return seen


def _errors_px(
    seen: list[_Seen], context_px: int, model: PoseModel, grid: Grid
) -> NDArray[np.float64] | None:
    """Compare likely points in windows with those of whole frames; None if these are as good.

    All windows have one size, for which a runtime gets ready once. By turns, they are tight on the
    left and above, and on the right and below.
    """
    corners = [(*frame.points.min(axis=0), *frame.points.max(axis=0)) for frame in seen]
    regions = [Region(*corner).widened(context_px) for corner in corners]
    windows = [grid.window(region, []) for region in regions]
    needed = [window.size for window in windows if window is not None]
    if len(needed) < len(windows):
        return None
    size = max(width for width, _ in needed), max(height for _, height in needed)
    errors_px: list[float] = []
    for number, (frame, region) in enumerate(zip(seen, regions, strict=True)):
        window = grid.tight(region, size, at_end=number % 2 == 1)
        image = np.ascontiguousarray(window.cut(frame.image))
        (pose,) = model.start(image, grid.cut_sides(window)).result()
        points = pose[frame.is_likely, :2] + (window.left, window.top)
        errors_px += np.hypot(*(points - frame.points).T).tolist()
    return np.array(errors_px)


def read_calibration(path: Path) -> Calibration | None:
    """Read what an earlier run has found; None where there is nothing that can be read."""
    try:
        return Calibration(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_calibration(path: Path, found: Calibration) -> None:
    """Keep what was found, for a run that goes on with this one."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(asdict(found)))
