"""The record of what the model saw of each frame: the whole frame, a window, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sinks import PoseBatch


class Look(IntEnum):
    """The part of a frame that the model saw, and why."""

    WINDOW = 0
    """A window around the animal."""
    LOST = 1
    """The whole frame: the animal was not found before, or no longer."""
    LARGE = 2
    """The whole frame: a window would have been nearly as large."""
    CHECK = 3
    """The whole frame, after its window, to compare them."""
    EDGE = 4
    """The whole frame: in the window, a point was near the edge."""
    UNSEEN = 5
    """The whole frame: a body part was not seen, and can be outside the window."""
    JUMP = 6
    """The whole frame: in the window, the pose had jumped."""
    DISTRUST = 7
    """The whole frame: a frame of its batch had failed its check."""
    KNOWN = 8
    """Nothing now: the pose comes from a live run."""
    NOTHING = 9
    """Nothing: it has no picture."""


LOOK_DTYPE = np.dtype(
    [
        ("look", "u1"),
        ("is_tracked", "?"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("check_error_px", "<f4"),
    ]
)
"""A row for each frame: a `Look`; whether the recorder's tracker said where; width and height of
the window that was looked at first, 0 without one; and for checks, how far the likely point that is
farthest off was from that of the whole frame, NaN without a likely point."""

Looks = NDArray[np.void]
"""Shape (frames,), of `LOOK_DTYPE`."""


@dataclass(frozen=True)
class FollowedBatch(PoseBatch):
    """Poses, and how their frames were looked at.

    Attributes
    ----------
    looks
        One row for each frame.
    """

    looks: Looks


def new_looks(num_frames: int, look: Look) -> Looks:
    """Rows for frames that were looked at in one way, without a window."""
    looks = np.zeros(num_frames, LOOK_DTYPE)
    looks["look"] = look
    looks["check_error_px"] = np.nan
    return looks
