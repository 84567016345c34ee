"""How much a network must see around a point: measured on the movie itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.follow.animal import LIKELY, Animal
from engine.follow.settings import FollowSettings
from engine.follow.window import Grid, Region, Window
from engine.inference import PoseModel
from readers import FrameBatch, FrameStatus
from sinks import whole_file

_NUM_FRAMES = 8
_EVERY_FRAMES = 15
_MOST_TRIED = 32
_CONTEXTS = (2, 3, 4, 5, 6, 8, 10)
"""In strides."""
_LARGEST_MEDIAN_PX, _LARGEST_PX = 0.05, 0.5
"""Half of what a followed run promises at the median, and for nearly all points."""
_FEWEST_POINTS = 10


@dataclass(frozen=True)
class Calibration:
    """What was found.

    Attributes
    ----------
    context_px
        Pixels that the network needs around a point.
    num_frames
        Frames that it was measured on; 0 where no animal was found, and the usual was taken.
    num_points
        Points in windows, at least so far from the edge, that were compared with whole frames.
    median_error_px, largest_error_px
        How far they were off.
    """

    context_px: int
    num_frames: int
    num_points: int = 0
    median_error_px: float = 0.0
    largest_error_px: float = 0.0


class Frames(Protocol):
    """Gives a movie's frames, as a `readers.MovieReader` does."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images."""

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        """Fill `images` with the next frames."""

    def skip(self, num_frames: int) -> int:
        """Pass over the next frames."""


def calibrate(frames: Frames, model: PoseModel, follow: FollowSettings) -> Calibration:
    """Measure how near to a window's edge points still are where they are in the whole frame.

    On eight frames in which the animal is found, of the first 480, windows of several sizes are
    compared with the whole. The least distance is taken at which half of the points are within
    0.05 px and all within 0.5 px; the largest that was tried where none is.

    Parameters
    ----------
    frames
        The movie, at its first frame.
    model
        The model.
    follow
        How the animal is followed; tells the stride, and the usual distance.
    """
    points = _Points()
    num_frames = 0
    height, width, _ = frames.image_shape
    grid = Grid(width, height, follow.stride_px)
    for image, whole in _found(frames, model):
        points.compare(image, whole, model, grid)
        num_frames += 1
        if num_frames == _NUM_FRAMES:
            break
    if not num_frames:
        return Calibration(follow.context_px, 0)
    return points.calibration(follow.stride_px, num_frames)


def calibrated(follow: FollowSettings | None, found: Calibration | None) -> FollowSettings | None:
    """Give settings with what was measured, if anything was."""
    if follow is None or found is None:
        return follow
    return replace(follow, context_px=found.context_px)


def _found(
    frames: Frames, model: PoseModel
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """Give images, shape (1, height, width, 3), and their poses, where the animal is found."""
    animal = Animal.unknown(len(model.body_parts))
    images = np.empty((1, *frames.image_shape), np.uint8)
    for _ in range(_MOST_TRIED):
        batch = frames.read(images)
        if batch is None:
            return
        if batch.status[0] == FrameStatus.DECODED:
            whole = model.predict(images)
            animal = animal.after(whole[0])
            if animal.is_found:
                yield images, whole[0]
        frames.skip(_EVERY_FRAMES - 1)


@dataclass
class _Points:
    """Points in windows: how far they are from the edge, and from where they should be."""

    distance_px: list[float] = field(default_factory=list)
    error_px: list[float] = field(default_factory=list)

    def compare(
        self, image: NDArray[np.uint8], whole: NDArray[np.float64], model: PoseModel, grid: Grid
    ) -> None:
        """Look at windows of several sizes."""
        likely = whole[whole[:, 2] >= LIKELY, :2]
        region = Region(*likely.min(axis=0), *likely.max(axis=0))
        for context in _CONTEXTS:
            window = grid.window(region.widened(context * grid.stride_px), [])
            if window is None:
                break
            (pose,) = model.predict(np.ascontiguousarray(window.cut(image)))
            points = pose[whole[:, 2] >= LIKELY, :2] + (window.left, window.top)
            self.error_px += np.hypot(*(points - likely).T).tolist()
            self.distance_px += _distances_to_edge(likely, window, grid).tolist()

    def calibration(self, stride_px: int, num_frames: int) -> Calibration:
        """Choose the least distance at which points can be trusted."""
        distance, error = np.array(self.distance_px), np.array(self.error_px)
        for context in _CONTEXTS:
            beyond = error[distance >= context * stride_px]
            if len(beyond) < _FEWEST_POINTS:
                break
            found = Calibration(
                context * stride_px,
                num_frames,
                len(beyond),
                round(float(np.median(beyond)), 4),
                round(float(beyond.max()), 4),
            )
            if (
                found.median_error_px <= _LARGEST_MEDIAN_PX
                and found.largest_error_px <= _LARGEST_PX
            ):
                return found
        return Calibration(_CONTEXTS[-1] * stride_px, num_frames)


def _distances_to_edge(
    points: NDArray[np.float64], window: Window, grid: Grid
) -> NDArray[np.float64]:
    """Distance of points from the nearest edge of a window that is none of the picture's."""
    inside = grid.trusted(window, 0.0)
    low, high = (inside.left, inside.top), (inside.right, inside.bottom)
    return np.asarray(np.minimum(points - low, high - points).min(axis=1))


def read_calibration(path: Path) -> Calibration | None:
    """Read what an earlier run has found; None where there is nothing."""
    if not path.exists():
        return None
    return Calibration(**json.loads(path.read_text()))


def write_calibration(path: Path, found: Calibration) -> None:
    """Keep what was found, for a run that goes on with this one."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(asdict(found)))
