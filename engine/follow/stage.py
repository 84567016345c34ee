"""The stage that gives every frame its pose, and follows the animal meanwhile."""

from __future__ import annotations

from collections import deque
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.follow.animal import Animal
from engine.follow.settings import FollowSettings
from engine.follow.window import Region, Size, around
from engine.follow.work import Work
from engine.inference import PoseModel
from engine.pipeline.prediction import KnownPoses, Prediction
from engine.pipeline.views import FollowedBatch, Look, Looks
from readers import FrameBatch
from sinks import PoseBatch

_BOX_SPARE = 0.5
"""Of the animal's size: how far it may be outside its box where nothing else is known."""


class FollowingPrediction:
    """Runs the model on windows around the animal, and on whole frames where these are in doubt.

    All frames of a batch share a window, to which the poses until `lag` frames before them lead, or
    the recorder's tracker. Each frame's pose is verified; what is in doubt is estimated anew from
    the whole frame. Nothing but the frames, their batches and the model has an influence on what is
    done.

    Parameters
    ----------
    model
        The model.
    settings
        How to follow.
    known
        Poses from elsewhere; None for none.
    lag
        How many frames lie between the poses that lead to a window and the first frame in it. As
        many as a batch has let the model work on one batch while the one before is verified; with
        0, each waits for the one before.
    """

    def __init__(
        self,
        model: PoseModel,
        settings: FollowSettings,
        known: KnownPoses | None = None,
        lag: int = 0,
    ) -> None:
        self._model = model
        self._settings = settings
        self._known = known
        self._lag = lag
        # After each of the latest frames: the newest last.
        self._animals = deque([Animal.unknown(len(model.body_parts))] * (lag + 1), lag + 1)
        self._begun: Work | None = None
        self._ready: list[Size] = []

    def num_held_batches(self, batch_size: int, image_shape: tuple[int, ...]) -> int:  # noqa: ARG002 -- as of `Prediction`
        """Tell how many batches are held back: one, unless each leads to the next one's window."""
        return min(self._lag, 1)

    def recall(self, batch: PoseBatch) -> None:
        """Learn from the next batch, which an earlier run has done."""
        if isinstance(batch, FollowedBatch):
            self._learn(batch.poses, batch.looks)
            self._note_sizes(batch.looks)

    def push(self, batch: FrameBatch) -> list[PoseBatch]:
        """Take the next batch; return those whose poses are there, in order."""
        is_begun_too_long = self._begun is not None and len(self._begun.batch) > self._lag
        ready = self.flush() if is_begun_too_long else []
        work = Work(batch, len(self._model.body_parts), self._known)
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
        return [FollowedBatch(work.batch, work.poses, work.looks)]

    def _begin(self, work: Work) -> None:
        """Begin with a window, or with whole frames where there can be none."""
        images = work.batch.images
        grid = self._settings.grid(images.shape[2], images.shape[1])
        region, is_tracked = self._region(work)
        if region is None:
            work.begin_whole(self._model, work.is_wanted, Look.LOST)
            return
        window = grid.window(region.widened(self._settings.context_px), self._ready)
        if window is None:
            work.begin_whole(self._model, work.is_wanted, Look.LARGE)
            return
        cut, trusted = grid.cut_sides(window), grid.trusted(window, self._settings.context_px)
        work.begin_window(self._model, window, cut, trusted, is_tracked=is_tracked)

    def _finish(self, work: Work) -> None:
        """Wait for the poses of a batch, and look at whole frames where they are in doubt."""
        work.collect(self._model)
        while work.trusted is not None:
            doubts, animals = self._doubts(work, work.trusted)
            if not doubts.any():
                self._animals.extend(animals)
                return
            work.begin_whole(self._model, doubts > 0, doubts)
            work.collect(self._model)
        self._learn(work.poses, work.looks)

    def _region(self, work: Work) -> tuple[Region | None, bool]:
        """Tell where the animal may be in the frames to look at, and whether a tracker says so."""
        num_begun_frames = 0 if self._begun is None else len(self._begun.batch)
        animal = self._animals[num_begun_frames]
        region = animal.region(self._lag + len(work.batch))
        boxes = _boxes(work) if self._settings.uses_tracker else None
        if boxes is None:
            return region, False
        if region is None:
            return boxes.widened(_BOX_SPARE * max(animal.size_px, boxes.longer_side)), True
        return around(boxes, region), True

    def _doubts(self, work: Work, trusted: Region) -> tuple[NDArray[np.uint8], list[Animal]]:
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
    model: PoseModel,
    follow: FollowSettings | None,
    known: KnownPoses | None = None,
    lag: int = 0,
) -> Prediction | FollowingPrediction:
    """Make the stage that runs the model; see `Prediction` and `FollowingPrediction`."""
    if follow is None:
        return Prediction(model, known)
    return FollowingPrediction(model, follow, known, lag)


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
