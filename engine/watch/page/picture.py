"""The latest picture, on its way from the model's thread to those who look."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Lock

import numpy as np
from numpy.typing import NDArray

from readers import FrameStatus
from sinks import PoseBatch

WIDEST_PX = 960
_SHORTEST_INTERVAL_S = 0.04
_UNASKED_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Picture:
    """A frame's picture and poses.

    Attributes
    ----------
    number
        Counts the pictures, from 1.
    frame_index
        Of the frame within its movie.
    width, height
        Of the frame, in pixels.
    image
        uint8, shape (rows, width, 3), RGB. Of a picture more than twice as wide as is sent, only
        every second row, or every third, and so on.
    poses
        float64, shape (frames, body parts, 3): those of the frame come last, before them those
        of its trail. In pixels of the frame.
    """

    number: int
    frame_index: int
    width: int
    height: int
    image: NDArray[np.uint8]
    poses: NDArray[np.float64]


class LatestPicture:
    """Holds a copy of a recent picture: a new one only when somebody has asked for it.

    `offer` is called by one thread and never waits for the others. Nobody asking, a picture is
    copied once a second, so that there is one at once when somebody does.

    Parameters
    ----------
    num_trail_poses
        Earlier frames whose poses are drawn, too.
    clock
        Tells the time in seconds.
    """

    def __init__(self, num_trail_poses: int, clock: Callable[[], float]) -> None:
        self._num_trail_poses = num_trail_poses
        self._clock = clock
        self._past: list[NDArray[np.float64]] = []
        self._picture: Picture | None = None
        self._copied_s = -math.inf
        self._is_wanted = False
        self._is_closed = False
        self._copying = Lock()  # of the picture
        self._news = Condition()

    def begin_movie(self) -> None:
        """Forget the trail: the next frames are of another movie."""
        self._past.clear()

    def offer(self, batch: PoseBatch) -> None:
        """Copy the newest picture of the batch, if one is due."""
        past = self._past
        if self._num_trail_poses:
            self._past = [*past, *batch.poses[-self._num_trail_poses :].copy()]
            self._past = self._past[-self._num_trail_poses :]
        interval_s = _SHORTEST_INTERVAL_S if self._is_wanted else _UNASKED_INTERVAL_S
        now_s = self._clock()
        if now_s - self._copied_s < interval_s:
            return
        index = _newest_decoded(batch)
        # While the last one is being taken, the next frame is as good.
        if index is not None and self._copying.acquire(blocking=False):
            try:
                self._picture = self._copy(batch, index, past)
            finally:
                self._copying.release()
            self._copied_s = now_s
            with self._news:
                self._is_wanted = False
                self._news.notify_all()

    def _copy(self, batch: PoseBatch, index: int, past: list[NDArray[np.float64]]) -> Picture:
        image = batch.frames.images[index]
        height, width = image.shape[:2]
        rows = image[:: max(1, width // WIDEST_PX)]
        last = self._picture
        # The same memory again and again: new pages cost more than the copy.
        kept = last.image if last and last.image.shape == rows.shape else np.empty_like(rows)
        np.copyto(kept, rows)
        poses = [*past, *batch.poses[: index + 1]][-self._num_trail_poses - 1 :]
        return Picture(
            number=1 + (last.number if last else 0),
            frame_index=batch.frames.first_frame_index + index,
            width=width,
            height=height,
            image=kept,
            poses=np.array(poses),
        )

    def wait_for_newer(self, number: int, timeout_s: float) -> bool:
        """Ask for a picture, and wait until there is one after `number`; tell whether there is."""
        with self._news:
            self._is_wanted = True
            self._news.wait_for(
                lambda: self._is_closed or self._newest_number() > number, timeout_s
            )
            return self._newest_number() > number

    def _newest_number(self) -> int:
        return self._picture.number if self._picture else 0

    def take(self) -> Picture | None:
        """Give a copy of the picture that may be drawn on; None before the first."""
        with self._copying:
            picture = self._picture
            return picture and Picture(**{**vars(picture), "image": picture.image.copy()})

    def close(self) -> None:
        """Let go of those who wait."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()


def _newest_decoded(batch: PoseBatch) -> int | None:
    (decoded,) = np.nonzero(batch.frames.status == FrameStatus.DECODED)
    return int(decoded[-1]) if len(decoded) and batch.frames.images.size else None
