"""A batch of frames on its way to its poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.follow.animal import LIKELY
from engine.follow.window import Region, Window
from engine.inference import CutSides, PendingPoses, PoseModel
from engine.pipeline.prediction import KnownPoses, naming_frame
from engine.pipeline.views import Look, new_looks
from readers import FrameBatch, FrameStatus

_FIRST_CHECKED, _CHECK_EVERY_FRAMES, _NUM_CHECKED = 100, 400, 2
"""One in 200, two at a time: a ResNet's core would wait for the other to be done with one alone."""
LARGEST_ERROR_PX = 1.0
"""A window with a likely point that is farther off than that has failed its check."""


class Work:
    """Frames, their poses so far, and how they were looked at.

    Attributes
    ----------
    batch
        The frames.
    poses
        float64, shape (frames, body parts, 3), in pixels of the whole frame; x and y NaN and
        likelihood 0 where there is no picture. Those that were begun with come with `collect`.
    looks
        How each frame was looked at.
    is_wanted
        bool, shape (frames,): which frames the model has to look at.
    trusted
        Where in the window poses can be believed; None where there is no window.
    """

    def __init__(self, batch: FrameBatch, num_body_parts: int, known: KnownPoses | None) -> None:
        """Begin with what is known of a batch without looking at it."""
        self.batch = batch
        self.poses = np.full((len(batch), num_body_parts, 3), np.nan)
        self.poses[..., 2] = 0  # where nothing was seen, nothing is likely
        self.looks = new_looks(len(batch), Look.NOTHING)
        self.is_wanted = batch.status == FrameStatus.DECODED
        self.trusted: Region | None = None
        self._begun: list[_Begun] = []
        self._check: _Begun | None = None
        if known is not None:
            is_known = known.fill(batch, self.poses)
            self.looks["look"][is_known] = Look.KNOWN
            self.is_wanted &= ~is_known

    def begin_whole(
        self, model: PoseModel, chosen: NDArray[np.bool_], look: Look | NDArray[np.uint8]
    ) -> None:
        """Begin with whole frames.

        Parameters
        ----------
        model
            The model.
        chosen
            bool, shape (frames,): with which frames.
        look
            Why, for all of them or for each frame of the batch.
        """
        if not chosen.any():
            return
        self._begun.append(_Begun(chosen, model.start(_chosen(self.batch.images, chosen))))
        self.looks["look"][chosen] = look if isinstance(look, Look) else look[chosen]

    def begin_window(
        self,
        model: PoseModel,
        window: Window,
        cut: CutSides,
        trusted: Region,
        *,
        is_tracked: bool,
    ) -> None:
        """Begin with a window of all frames that are wanted, and with the whole of those to check.

        Two consecutive frames in 400 are checked.
        """
        self.trusted = trusted
        images = np.ascontiguousarray(_chosen(window.cut(self.batch.images), self.is_wanted))
        pending = model.start(images, cut)
        self._begun.append(_Begun(self.is_wanted, pending, window.left, window.top))
        of_frames = self.looks
        of_frames["look"][self.is_wanted] = Look.WINDOW
        of_frames["is_tracked"][self.is_wanted] = is_tracked
        of_frames["width"][self.is_wanted], of_frames["height"][self.is_wanted] = window.size
        index = self.batch.first_frame_index + np.arange(len(self.batch))
        since_due = (index - _FIRST_CHECKED) % _CHECK_EVERY_FRAMES
        is_due = self.is_wanted & (since_due < _NUM_CHECKED)
        if is_due.any():
            self._check = _Begun(is_due, model.start(_chosen(self.batch.images, is_due)))

    def collect(self, model: PoseModel) -> None:
        """Wait for the poses; if a check fails, believe no window, and look at whole frames."""
        for begun in self._begun:
            self.poses[begun.chosen] = begun.result(self.batch)
        self._begun.clear()
        if self._check is None:
            return
        check, self._check = self._check, None
        whole = check.result(self.batch)
        error_px = errors_px(self.poses[check.chosen], whole)
        self.poses[check.chosen] = whole
        self.looks["look"][check.chosen] = Look.CHECK
        self.looks["check_error_px"][check.chosen] = error_px
        if np.any(error_px > LARGEST_ERROR_PX):
            self.begin_whole(model, self.is_wanted & ~check.chosen, Look.DISTRUST)
            self.collect(model)


@dataclass(frozen=True)
class _Begun:
    """Images that a model has begun with: of which frames, and where in them they lie."""

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


def errors_px(poses: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tell how far the likely point that is farthest off is from that of the whole frame.

    Parameters
    ----------
    poses, whole
        float64, shape (frames, body parts, 3).

    Returns
    -------
    float64, shape (frames,)
        In pixels; NaN where the whole frame has no likely point.
    """
    distance = np.hypot(*np.moveaxis(poses[..., :2] - whole[..., :2], -1, 0))
    distance[whole[..., 2] < LIKELY] = np.nan
    return np.asarray(np.fmax.reduce(distance, axis=1))


def _chosen(images: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return images if chosen.all() else images[chosen]
