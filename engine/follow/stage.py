"""The stage that gives every frame its pose, and follows the animal meanwhile."""

from __future__ import annotations

from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.follow.animal import Animal
from engine.follow.looks import FollowedBatch, Look, Looks
from engine.follow.settings import FollowSettings
from engine.follow.window import MOST_SIZES, Grid, Region, Size, around
from engine.follow.work import Work
from engine.inference import PoseModel
from engine.prediction import KnownPoses, Prediction
from readers import FrameBatch
from sinks import PoseBatch

_BOX_SPARE = 0.5
"""Of the animal's size: how far it may be outside its box where nothing else is known."""


class FollowingPrediction:
    """Runs the model on windows around the animal, and on whole frames where these are in doubt.

    All frames of a batch share a window, to which the poses before them lead, or the recorder's
    tracker. Each frame's pose is verified; what is in doubt is estimated anew from the whole frame.
    Nothing but the frames, their batches and the model has an influence on what is done.

    Parameters
    ----------
    model
        The model.
    settings
        How to follow.
    known
        Poses from elsewhere; None for none.
    """

    def __init__(
        self, model: PoseModel, settings: FollowSettings, known: KnownPoses | None = None
    ) -> None:
        self._model = model
        self._settings = settings
        self._known = known
        self._animal = Animal.unknown(len(model.body_parts))
        self._ready: list[Size] = []

    def num_held_batches(self, batch_size: int, image_shape: tuple[int, ...]) -> int:  # noqa: ARG002 -- as of `Prediction`
        """Tell how many batches are held back: none, since each leads to the next one's window."""
        return 0

    def recall(self, batch: PoseBatch) -> None:
        """Learn from the next batch, which an earlier run has done."""
        if isinstance(batch, FollowedBatch):
            self._animal = self._after(batch.poses, batch.looks)
            self._note_sizes(batch.looks)

    def push(self, batch: FrameBatch) -> list[PoseBatch]:
        """Take the next batch; return it with its poses."""
        work = Work.begin(batch, len(self._model.body_parts), self._known)
        animal = self._look_at_window(work) if work.is_wanted.any() else None
        self._animal = animal or self._after(work.poses, work.looks)
        self._note_sizes(work.looks)
        return [FollowedBatch(batch, work.poses, work.looks)]

    def flush(self) -> list[PoseBatch]:
        """Return nothing: nothing is held back."""
        return []

    def _look_at_window(self, work: Work) -> Animal | None:
        """Look at a window, and at whole frames where it is in doubt; or only at whole frames.

        Gives what is known of the animal then, where that had to be found out.
        """
        images = work.batch.images
        grid = Grid(images.shape[2], images.shape[1], self._settings.stride_px)
        region, is_tracked = self._region(work)
        if region is None:
            work.look_at_whole(self._model, work.is_wanted, Look.LOST)
            return None
        window = grid.window(region.widened(self._settings.context_px), self._ready)
        if window is None:
            work.look_at_whole(self._model, work.is_wanted, Look.LARGE)
            return None
        work.look_at_window(self._model, window, is_tracked=is_tracked)
        work.check(self._model)
        trusted = grid.trusted(window, self._settings.context_px)
        while True:
            doubts, animal = self._doubts(work, trusted)
            if not doubts.any():
                return animal
            work.look_at_whole(self._model, doubts > 0, doubts)

    def _region(self, work: Work) -> tuple[Region | None, bool]:
        """Tell where the animal may be in the frames to look at, and whether a tracker says so."""
        region = self._animal.region(len(work.batch))
        boxes = _boxes(work) if self._settings.uses_tracker else None
        if boxes is None:
            return region, False
        if region is None:
            return boxes.widened(_BOX_SPARE * max(self._animal.size_px, boxes.longer_side)), True
        return around(boxes, region), True

    def _doubts(self, work: Work, trusted: Region) -> tuple[NDArray[np.uint8], Animal]:
        """Tell which poses of a window are in doubt, and why: a `Look` for each frame, or 0.

        And what is known of the animal from the others.
        """
        doubts = np.zeros(len(work.batch), np.uint8)
        animal = self._animal
        for index in np.flatnonzero(work.has_pose):
            after = animal.after(work.poses[index])
            if work.looks["look"][index] == Look.WINDOW:
                doubts[index] = _doubt(animal, after, trusted)
            if not doubts[index]:
                animal = after
        return doubts, animal

    def _after(self, poses: NDArray[np.float64], looks: Looks) -> Animal:
        """Tell what is known of the animal after a batch."""
        animal = self._animal
        for index in np.flatnonzero(looks["look"] != Look.NOTHING):
            animal = animal.after(poses[index])
        return animal

    def _note_sizes(self, looks: Looks) -> None:
        """Note which sizes the runtime is ready for, and forget those used longest ago."""
        sizes = zip(looks["width"].tolist(), looks["height"].tolist(), strict=True)
        for size, _ in groupby(sizes):
            if all(size):
                others = [other for other in self._ready if other != size]
                self._ready = [*others, size][-MOST_SIZES:]


def make_prediction(
    model: PoseModel, follow: FollowSettings | None, known: KnownPoses | None = None
) -> Prediction | FollowingPrediction:
    """Make the stage that runs the model; see `Prediction` and `FollowingPrediction`."""
    if follow is None:
        return Prediction(model, known)
    return FollowingPrediction(model, follow, known)


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


def _boxes(work: Work) -> Region | None:
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
