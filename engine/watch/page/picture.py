"""The latest picture of a live run, on its way from the model's thread to the browsers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from threading import Condition, Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from readers import FrameStatus
from sinks import OverlayStyle, PoseBatch
from sinks.labelled_movie.overlay import Overlay

_WIDEST_PX = 960
_QUALITY = 88
_SMALLEST_DOT_PX = 2.0
_SHORTEST_INTERVAL_S = 0.04
_UNASKED_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Picture:
    """A frame's picture and poses; `width` and `height` are the frame's, in pixels."""

    number: int  # counts the pictures, from 1
    frame_index: int
    width: int
    height: int
    image: NDArray[np.uint8]
    """Shape (rows, width, 3), RGB. Of a picture more than twice as wide as is sent, only every
    second row, or every third, and so on."""
    poses: NDArray[np.float64]
    """Shape (frames, body parts, 3), in pixels of the frame: its own come last, before them those
    of its trail."""


class LatestPicture:
    """Holds a copy of a recent picture: at most 25 a second when asked, one a second otherwise.

    `offer` is called by one thread and never waits for the others. The poses of `num_trail_poses`
    earlier frames come with the picture. `clock` tells the time in seconds.
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
        (decoded,) = np.nonzero(batch.frames.status == FrameStatus.DECODED)
        has_picture = len(decoded) and batch.frames.images.size
        # While the last one is being taken, the next frame is as good.
        if has_picture and self._copying.acquire(blocking=False):
            try:
                self._picture = self._copy(batch, int(decoded[-1]), past)
            finally:
                self._copying.release()
            self._copied_s = now_s
            with self._news:
                self._is_wanted = False
                self._news.notify_all()

    def _copy(self, batch: PoseBatch, index: int, past: list[NDArray[np.float64]]) -> Picture:
        image = batch.frames.images[index]
        height, width = image.shape[:2]
        rows = image[:: max(1, width // _WIDEST_PX)]
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

        def is_newer() -> bool:
            return self._picture is not None and self._picture.number > number

        with self._news:
            self._is_wanted = True
            self._news.wait_for(lambda: self._is_closed or is_newer(), timeout_s)
            return is_newer()

    def take(self) -> Picture | None:
        """Give a copy of the picture that may be drawn on; None before the first."""
        with self._copying:
            picture = self._picture
            return picture and replace(picture, image=picture.image.copy())

    def close(self) -> None:
        """Let waiting calls return."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()


def labelled_jpeg(picture: Picture, body_parts: Sequence[str], style: OverlayStyle) -> bytes:
    """Draw the poses on the picture and encode it, at most 960 pixels wide.

    A picture of at most that width has the pixels of the labelled movie; dots and poses of a wider
    one are scaled down with it. Colours are not subsampled: dots are small. Other threads run
    meanwhile.
    """
    scale = min(1.0, _WIDEST_PX / picture.width)
    image, poses = picture.image, picture.poses.copy()
    if scale < 1:
        size = (_WIDEST_PX, max(1, round(picture.height * scale)))
        scaled = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        image = np.array(scaled)
        poses[..., :2] = (poses[..., :2] + 0.5) * scale - 0.5  # a pixel's place is its middle
        dot_size_px = max(style.dot_size_px * scale, min(style.dot_size_px, _SMALLEST_DOT_PX))
        style = replace(style, dot_size_px=dot_size_px)
    if style.keypoints_only:
        image[:] = 0
    overlay = Overlay(body_parts, style)
    for earlier in poses[:-1]:
        overlay.add_to_trail(earlier)
    overlay.draw(image, poses[-1])
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()
