"""The stage of a pipeline that gives every frame its pose and follows the animal meanwhile."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.follow.animal import LIKELY, Animal
from engine.follow.settings import FollowSettings
from engine.follow.window import Grid, Region, Size, Window, around
from engine.inference import PendingPoses, PoseModel
from engine.pipeline.prediction import (
    FollowedBatch,
    KnownFrames,
    Look,
    Looks,
    Prediction,
    naming_frame,
    new_looks,
)
from readers import FrameBatch, FrameStatus
from sinks import PoseBatch

LARGEST_ERROR_PX = 1.0
"""A window with a likely point that is farther off than that has failed its check."""
_FIRST_CHECKED, _CHECK_EVERY_FRAMES, _NUM_CHECKED = 100, 400, 2
"""One in 200, two at a time: a ResNet's core would wait for the other to be done with one alone."""
_BOX_SPARE = 0.5
"""Of the animal's size: how far it may be outside its box where nothing else is known."""


class FollowingPrediction:
    """Runs the model on windows around the animal, and on whole frames where these are in doubt.

    All frames of a batch share a window, to which the poses until `lag` frames before them lead, or
    the recorder's tracker. Each frame's pose is verified; what is in doubt is estimated anew from
    the whole frame. The result depends on the frames, their batches and the model alone.

    Parameters
    ----------
    model
        The model.
    settings
        The way in which the animal is followed.
    lag
        Number of frames between the poses that lead to a window and the first frame in it. As many
        as a batch has let the model work on one batch while the one before is verified; with 0,
        each waits for the one before.
    """

    def __init__(
        self,
        model: PoseModel,
        settings: FollowSettings,
        lag: int = 0,
    ) -> None:
        self._model = model
        self._settings = settings
        self._lag = lag
        # After each of the latest frames: the newest last.
        self._animals = deque([Animal.unknown(len(model.body_parts))] * (lag + 1), lag + 1)
        self._begun: _Work | None = None
        self._ready: list[Size] = []

    def num_held_batches(self, batch_size: int, image_shape: tuple[int, ...]) -> int:  # noqa: ARG002 -- as of `Prediction`
        """Tell how many batches are held back: one, unless each leads to the next one's window."""
        return min(self._lag, 1)

    def push(self, batch: FrameBatch) -> list[PoseBatch]:
        """Take the next batch; return those whose poses are there, in order."""
        if isinstance(batch, KnownFrames) and batch.looks is not None and batch.is_known.all():
            ready = self.flush()
            self._learn(batch.poses, batch.looks)
            self._note_sizes(batch.looks)
            return [*ready, FollowedBatch(batch, batch.poses, batch.looks)]
        is_begun_too_long = self._begun is not None and len(self._begun.batch) > self._lag
        ready = self.flush() if is_begun_too_long else []
        work = _Work(batch, self._model)
        if work.is_wanted.any():
            self._begin(work)
        self._note_sizes(work.looks)
        ready += self.flush()
        self._begun = work
        return ready if self._lag else self.flush()

    def flush(self) -> list[PoseBatch]:
        """Return the batch that is held back, if there is one."""
        if self._begun is None:
            return []
        work, self._begun = self._begun, None
        self._finish(work)
        if isinstance(work.batch, KnownFrames) and work.batch.looks is not None:
            work.looks[work.batch.is_known] = work.batch.looks[work.batch.is_known]
        return [FollowedBatch(work.batch, work.poses, work.looks)]

    def _begin(self, work: _Work) -> None:
        """Begin with a window, or with whole frames where there can be none."""
        images, context_px = work.batch.images, self._settings.context_px
        grid = self._settings.grid(images.shape[2], images.shape[1])
        region, is_tracked = self._region(work)
        window = None if region is None else grid.window(region.widened(context_px), self._ready)
        if window is None:
            work.begin_whole(work.is_wanted, Look.LOST if region is None else Look.LARGE)
        else:
            work.begin_window(grid, window, context_px, is_tracked=is_tracked)

    def _region(self, work: _Work) -> tuple[Region | None, bool]:
        """Tell where the animal may be in the frames to look at, and whether a tracker says so."""
        num_begun_frames = 0 if self._begun is None else len(self._begun.batch)
        animal = self._animals[num_begun_frames]
        region = animal.region(self._lag + len(work.batch))
        boxes = _boxes(work) if self._settings.uses_tracker else None
        if boxes is None:
            return region, False
        if region is None:
            sides = boxes.right - boxes.left, boxes.bottom - boxes.top
            return boxes.widened(_BOX_SPARE * max(animal.size_px, *sides)), True
        return around(boxes, region), True

    def _finish(self, work: _Work) -> None:
        """Wait for the poses of a batch, and look at whole frames where they are in doubt."""
        work.collect()
        while work.trusted is not None:
            doubts, animals = self._doubts(work, work.trusted)
            if not doubts.any():
                self._animals.extend(animals)
                return
            work.begin_whole(doubts > 0, doubts)
            work.collect()
        self._learn(work.poses, work.looks)

    def _doubts(self, work: _Work, trusted: Region) -> tuple[NDArray[np.uint8], list[Animal]]:
        """Tell which poses of a window are in doubt, and why: a `Look` for each frame, or 0.

        And what is known of the animal after each frame, from those that are not.
        """
        doubts = np.zeros(len(work.batch), np.uint8)
        animal, animals = self._animals[-1], []
        for index, look in enumerate(work.looks):
            if look["look"] != Look.NOTHING:
                after = animal.after(work.poses[index])
                if look["look"] == Look.WINDOW:
                    is_led = animal.is_found or bool(look["is_tracked"])
                    doubts[index] = _doubt(animal, after, trusted) if is_led else Look.LOST
                if not doubts[index]:
                    animal = after
            animals.append(animal)
        return doubts, animals

    def _learn(self, poses: NDArray[np.float64], looks: Looks) -> None:
        """Learn where the animal is after each frame of a batch."""
        for pose, has_none in zip(poses, looks["look"] == Look.NOTHING, strict=True):
            animal = self._animals[-1]
            self._animals.append(animal if has_none else animal.after(pose))

    def _note_sizes(self, looks: Looks) -> None:
        """Note which sizes the runtime is ready for, and forget those used longest ago."""
        sizes = zip(looks["width"].tolist(), looks["height"].tolist(), strict=True)
        for size, _ in groupby(sizes):
            if all(size):
                others = [other for other in self._ready if other != size]
                self._ready = [*others, size][-self._settings.most_sizes :]


def make_prediction(
    model: PoseModel, follow: FollowSettings | None, lag: int = 0
) -> Prediction | FollowingPrediction:
    """Make the stage that runs the model; see `Prediction` and `FollowingPrediction`."""
    if follow is None:
        return Prediction(model)
    return FollowingPrediction(model, follow, lag)


def _doubt(before: Animal, after: Animal, trusted: Region) -> Look | Literal[0]:
    doubt = before.doubt(after)
    if doubt is not None:
        return doubt
    if not trusted.holds(after.position[after.is_seen]):
        return Look.EDGE
    places = after.places_of_unseen()
    if places is None or not (after.is_seen.all() or trusted.holds(np.stack(places))):
        return Look.UNSEEN
    return 0


def _boxes(work: _Work) -> Region | None:
    """Give the region of the tracker's boxes; None unless each frame has one in its picture."""
    boxes = work.batch.tracker_boxes
    if boxes is None:
        return None
    height, width = work.batch.images.shape[1:3]
    left, top, right, bottom = boxes[work.is_wanted].T
    is_inside = (left < right) & (top < bottom) & (right > 0) & (bottom > 0)
    if not (is_inside & (left < width) & (top < height)).all():  # also where it is NaN
        return None
    return Region(left.min(), top.min(), right.max(), bottom.max())


class _Work:
    """A batch of frames on its way to its poses.

    Attributes
    ----------
    batch
        The frames.
    poses
        float64, shape (frames, body parts, 3), in pixels of the whole frame; x and y NaN and
        likelihood 0 where there is no picture. Those that were begun with come with `collect`.
    looks
        One row for each frame.
    is_wanted
        bool, shape (frames,): which frames the model has to look at.
    trusted
        The part of the window in which poses can be believed; None where there is no window.
    """

    def __init__(self, batch: FrameBatch, model: PoseModel) -> None:
        self.batch = batch
        self.poses = np.full((len(batch), len(model.body_parts), 3), np.nan)
        self.poses[..., 2] = 0  # where nothing was seen, nothing is likely
        self.looks = new_looks(len(batch), Look.NOTHING)
        self.is_wanted = batch.status == FrameStatus.DECODED
        self.trusted: Region | None = None
        self._model = model
        self._begun: list[_Begun] = []
        self._check: _Begun | None = None
        if isinstance(batch, KnownFrames):
            self.poses[batch.is_known] = batch.poses[batch.is_known]
            self.looks["look"][batch.is_known] = Look.KNOWN
            self.is_wanted &= ~batch.is_known

    def begin_whole(self, chosen: NDArray[np.bool_], look: Look | NDArray[np.uint8]) -> None:
        """Begin with the whole of the chosen frames, for one reason, or each frame for its own."""
        if chosen.any():
            self._begun.append(self._begin_whole(chosen))
            self.looks["look"][chosen] = look if isinstance(look, Look) else look[chosen]

    def begin_window(
        self, grid: Grid, window: Window, context_px: float, *, is_tracked: bool
    ) -> None:
        """Begin with a window of all frames that are wanted, and with the whole of those to check.

        Two consecutive frames in 400 are checked.
        """
        self.trusted = grid.trusted(window, context_px)
        wanted = self.is_wanted
        images = np.ascontiguousarray(_chosen(window.cut(self.batch.images), wanted))
        pending = self._model.start(images, grid.cut_sides(window))
        self._begun.append(_Begun(wanted, pending, window.left, window.top))
        self.looks["look"][wanted] = Look.WINDOW
        self.looks["is_tracked"][wanted] = is_tracked
        self.looks["width"][wanted], self.looks["height"][wanted] = window.size
        index = self.batch.first_frame_index + np.arange(len(self.batch))
        since_due = (index - _FIRST_CHECKED) % _CHECK_EVERY_FRAMES
        is_due = wanted & (since_due < _NUM_CHECKED)
        if is_due.any():
            self._check = self._begin_whole(is_due)

    def collect(self) -> None:
        """Wait for the poses; if a check fails, believe no window, and look at whole frames."""
        for begun in self._begun:
            self.poses[begun.chosen] = begun.result(self.batch)
        self._begun.clear()
        if self._check is None:
            return
        check, self._check = self._check, None
        whole = check.result(self.batch)
        error_px = _errors_px(self.poses[check.chosen], whole)
        self.poses[check.chosen] = whole
        self.looks["look"][check.chosen] = Look.CHECK
        self.looks["check_error_px"][check.chosen] = error_px
        if np.any(error_px > LARGEST_ERROR_PX):
            self.begin_whole(self.is_wanted & ~check.chosen, Look.DISTRUST)
            self.collect()

    def _begin_whole(self, chosen: NDArray[np.bool_]) -> _Begun:
        return _Begun(chosen, self._model.start(_chosen(self.batch.images, chosen)))


@dataclass(frozen=True)
class _Begun:
    """Images that a model has begun with: of the chosen frames, cut out at `left` and `top`."""

    chosen: NDArray[np.bool_]
    pending: PendingPoses
    left: int = 0
    top: int = 0

    def result(self, batch: FrameBatch) -> NDArray[np.float64]:
        """Wait for the poses, in pixels of the whole frame."""
        with naming_frame(batch, self.chosen):
            poses = self.pending.result()
        poses[..., :2] += (self.left, self.top)
        return poses


def _errors_px(poses: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tell how far the likely point that is farthest off is from that of the whole frame.

    For each frame, of poses of shape (frames, body parts, 3); NaN without a likely point.
    """
    distance = np.hypot(*np.moveaxis(poses[..., :2] - whole[..., :2], -1, 0))
    distance[whole[..., 2] < LIKELY] = np.nan
    return np.asarray(np.fmax.reduce(distance, axis=1))


def _chosen(images: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return images if chosen.all() else images[chosen]
