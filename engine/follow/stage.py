"""The stage of a pipeline that gives every frame its pose and follows the animal meanwhile."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from engine.follow.animal import LIKELY, Animal
from engine.follow.settings import FollowSettings
from engine.follow.window import Grid, Region, Size, Window, around
from engine.inference import CutSides, PendingPoses, PoseModel
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

    `lag` is the number of frames between the poses that lead to a window and the first frame in it.
    As many as a batch has let the model work on one batch while the one before is verified; with 0,
    each waits for the one before.
    """

    def __init__(self, model: PoseModel, settings: FollowSettings, lag: int = 0) -> None:
        self._model, self._settings, self._lag = model, settings, lag
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
            _, animals = self._judged(batch.poses, batch.looks, None)
            self._animals.extend(animals)
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
        """Return the batch that is held back, if there is one.

        Poses that are in doubt are estimated anew from whole frames.
        """
        if self._begun is None:
            return []
        work, self._begun = self._begun, None
        work.collect()
        doubts, animals = self._judged(work.poses, work.looks, work.trusted)
        while doubts.any():
            work.begin_whole(doubts > 0, doubts)
            work.collect()
            doubts, animals = self._judged(work.poses, work.looks, work.trusted)
        self._animals.extend(animals)
        if isinstance(work.batch, KnownFrames) and work.batch.looks is not None:
            work.looks[work.batch.is_known] = work.batch.looks[work.batch.is_known]
        return [FollowedBatch(work.batch, work.poses, work.looks)]

    def _begin(self, work: _Work) -> None:
        """Begin with a window where the animal may be, or with whole frames if there is none."""
        num_begun_frames = 0 if self._begun is None else len(self._begun.batch)
        animal = self._animals[num_begun_frames]
        region = animal.region(self._lag + len(work.batch))
        boxes = work.tracked_region() if self._settings.uses_tracker else None
        if boxes is not None and region is not None:
            region = around(boxes, region)
        elif boxes is not None:
            sides = boxes.right - boxes.left, boxes.bottom - boxes.top
            region = boxes.widened(_BOX_SPARE * max(animal.size_px, *sides))
        if region is None:
            work.begin_whole(work.is_wanted, Look.LOST)
            return
        height, width = work.batch.images.shape[1:3]
        grid, context_px = self._settings.grid(width, height), self._settings.context_px
        window = grid.window(region.widened(context_px), self._ready)
        if window is None:
            work.begin_whole(work.is_wanted, Look.LARGE)
        else:
            work.begin_window(grid, window, context_px, is_tracked=boxes is not None)

    def _judged(
        self, poses: NDArray[np.float64], looks: Looks, trusted: Region | None
    ) -> tuple[NDArray[np.uint8], list[Animal]]:
        """Tell which poses of a window are in doubt, and why: a `Look` for each frame, or 0.

        And what is known of the animal after each frame, from those that are not. `trusted` is
        where the window's poses can be believed; None where no pose is to be doubted.
        """
        doubts = np.zeros(len(poses), np.uint8)
        animal, animals = self._animals[-1], []
        for index, look in enumerate(looks):
            if look["look"] != Look.NOTHING:
                after = animal.after(poses[index])
                if look["look"] == Look.WINDOW and trusted is not None:
                    is_led = animal.is_found or bool(look["is_tracked"])
                    doubts[index] = (animal.doubt(after, trusted) or 0) if is_led else Look.LOST
                if not doubts[index]:
                    animal = after
            animals.append(animal)
        return doubts, animals

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


class _Work:
    """A batch of frames on its way to its poses.

    `poses` are float64, shape (frames, body parts, 3), in pixels of the whole frame; x and y NaN
    and likelihood 0 where there is no picture. Those that were begun with come with `collect`.
    `looks` are one row for each frame. `is_wanted`, bool, shape (frames,), tells which frames the
    model has to look at. In the part of the window that is `trusted`, poses can be believed; None
    where there is no window.
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

    def tracked_region(self) -> Region | None:
        """Give the region of the tracker's boxes; None unless each frame has one in its picture."""
        if self.batch.tracker_boxes is None:
            return None
        height, width = self.batch.images.shape[1:3]
        left, top, right, bottom = self.batch.tracker_boxes[self.is_wanted].T
        is_inside = (left < right) & (top < bottom) & (right > 0) & (bottom > 0)
        if not (is_inside & (left < width) & (top < height)).all():  # also where it is NaN
            return None
        return Region(left.min(), top.min(), right.max(), bottom.max())

    def begin_whole(self, chosen: NDArray[np.bool_], look: Look | NDArray[np.uint8]) -> None:
        """Begin with the whole of the chosen frames, for one reason, or each frame for its own."""
        if chosen.any():
            self._begun.append(_Begun(chosen, self._start(self.batch.images, chosen)))
            self.looks["look"][chosen] = look if isinstance(look, Look) else look[chosen]

    def begin_window(
        self, grid: Grid, window: Window, context_px: float, *, is_tracked: bool
    ) -> None:
        """Begin with a window of all frames that are wanted, and with the whole of those to check.

        Two consecutive frames in 400 are checked.
        """
        self.trusted = grid.trusted(window, context_px)
        wanted = self.is_wanted
        pending = self._start(window.cut(self.batch.images), wanted, grid.cut_sides(window))
        self._begun.append(_Begun(wanted, pending, window.left, window.top))
        self.looks["look"][wanted] = Look.WINDOW
        self.looks["is_tracked"][wanted] = is_tracked
        self.looks["width"][wanted], self.looks["height"][wanted] = window.size
        index = self.batch.first_frame_index + np.arange(len(self.batch))
        since_due = (index - _FIRST_CHECKED) % _CHECK_EVERY_FRAMES
        is_due = wanted & (since_due < _NUM_CHECKED)
        if is_due.any():
            self._check = _Begun(is_due, self._start(self.batch.images, is_due))

    def collect(self) -> None:
        """Wait for the poses; if a check fails, believe no window, and look at whole frames."""
        for begun in self._begun:
            self.poses[begun.chosen] = begun.result(self.batch)
        self._begun.clear()
        if self._check is None:
            return
        check, self._check = self._check, None
        whole = check.result(self.batch)
        distance = np.hypot(*np.moveaxis(self.poses[check.chosen, :, :2] - whole[..., :2], -1, 0))
        distance[whole[..., 2] < LIKELY] = np.nan
        error_px = np.fmax.reduce(distance, axis=1)  # NaN without a likely point
        self.poses[check.chosen] = whole
        self.looks["look"][check.chosen] = Look.CHECK
        self.looks["check_error_px"][check.chosen] = error_px
        if np.any(error_px > LARGEST_ERROR_PX):
            self.begin_whole(self.is_wanted & ~check.chosen, Look.DISTRUST)
            self.collect()

    def _start(
        self, images: NDArray[np.uint8], chosen: NDArray[np.bool_], cut: CutSides | None = None
    ) -> PendingPoses:
        images = images if chosen.all() else images[chosen]
        return self._model.start(np.ascontiguousarray(images), cut)


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
