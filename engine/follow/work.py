"""A batch of frames on its way to its poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.follow.animal import LIKELY
from engine.follow.looks import Look, Looks, new_looks
from engine.follow.window import Window
from engine.inference import PoseModel
from engine.prediction import KnownPoses
from readers import FrameBatch, FrameStatus

CHECK_EVERY_FRAMES = 100
LARGEST_ERROR_PX = 1.0
"""A window with a likely point that is farther off than that has failed its check."""


@dataclass(frozen=True)
class Work:
    """Frames, their poses so far, and how they were looked at.

    Attributes
    ----------
    batch
        The frames.
    poses
        float64, shape (frames, body parts, 3), in pixels of the whole frame; x and y NaN and
        likelihood 0 where there is no picture.
    looks
        How each frame was looked at.
    is_wanted
        bool, shape (frames,): which frames the model has to look at.
    """

    batch: FrameBatch
    poses: NDArray[np.float64]
    looks: Looks
    is_wanted: NDArray[np.bool_]

    @classmethod
    def begin(cls, batch: FrameBatch, num_body_parts: int, known: KnownPoses | None) -> Work:
        """Begin with what is known of a batch without looking at it."""
        poses = np.full((len(batch), num_body_parts, 3), np.nan)
        poses[..., 2] = 0  # where nothing was seen, nothing is likely
        looks = new_looks(len(batch), Look.NOTHING)
        is_wanted = batch.status == FrameStatus.DECODED
        if known is not None:
            is_known = known.fill(batch, poses)
            looks["look"][is_known] = Look.KNOWN
            is_wanted &= ~is_known
        return cls(batch, poses, looks, is_wanted)

    @property
    def has_pose(self) -> NDArray[np.bool_]:
        """Which frames have a pose by now."""
        return np.asarray(self.looks["look"] != Look.NOTHING)

    def look_at_whole(
        self, model: PoseModel, chosen: NDArray[np.bool_], look: Look | NDArray[np.uint8]
    ) -> None:
        """Estimate poses from whole frames.

        Parameters
        ----------
        model
            The model.
        chosen
            bool, shape (frames,): of which frames.
        look
            Why, for all of them or for each frame of the batch.
        """
        self.poses[chosen] = model.predict(self.batch.images[chosen])
        self.looks["look"][chosen] = look if isinstance(look, Look) else look[chosen]

    def look_at_window(self, model: PoseModel, window: Window, *, is_tracked: bool) -> None:
        """Estimate the poses of all frames that are wanted from a window."""
        images = np.ascontiguousarray(window.cut(self.batch.images)[self.is_wanted])
        poses = model.predict(images)
        poses[..., :2] += (window.left, window.top)
        self.poses[self.is_wanted] = poses
        of_frames = self.looks
        of_frames["look"][self.is_wanted] = Look.WINDOW
        of_frames["is_tracked"][self.is_wanted] = is_tracked
        of_frames["width"][self.is_wanted], of_frames["height"][self.is_wanted] = window.size

    def check(self, model: PoseModel) -> None:
        """Compare one frame in `CHECK_EVERY_FRAMES` with its whole; if it fails, believe none."""
        index = self.batch.first_frame_index + np.arange(len(self.batch))
        is_due = self.is_wanted & (index % CHECK_EVERY_FRAMES == 0)
        if not is_due.any():
            return
        in_window = self.poses[is_due]
        self.look_at_whole(model, is_due, Look.CHECK)
        error_px = errors_px(in_window, self.poses[is_due])
        self.looks["check_error_px"][is_due] = error_px
        is_other = self.is_wanted & ~is_due
        if is_other.any() and np.any(error_px > LARGEST_ERROR_PX):
            self.look_at_whole(model, is_other, Look.DISTRUST)


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
