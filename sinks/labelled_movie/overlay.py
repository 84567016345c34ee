"""The drawing of poses on frames: dots, trails and skeleton, and the canvas that takes them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
from av.video import reformatter
from numpy.typing import NDArray
from skimage.draw import line_aa

from sinks.plain_matplotlib import body_part_colors, rgb

Color = NDArray[np.uint8]
MISSING_PICTURE_COLOR = (255, 0, 0)
MISSING_PICTURE_EDGE = (255, 255, 255)


@dataclass(frozen=True)
class OverlayStyle:
    """The style in which poses are drawn; the names and defaults are those of the reference tool.

    Attributes
    ----------
    displayed_body_parts
        Body parts that get dots and trails; None for all.
    p_cutoff
        A body part is drawn where its likelihood is above this (not at it).
    dot_size_px
        Radius of a dot; 0 draws no dots.
    color_map
        Name of a matplotlib color map: see `body_part_colors`.
    keypoints_only
        Draw on black instead of on the picture.
    draw_skeleton
        Whether lines connect the pairs of `skeleton`.
    skeleton
        Pairs of body parts. All of them are drawn, whichever body parts are displayed; a pair
        with a name that the model does not have is left out, as by DeepLabCut.
    trail_points
        A dot is followed by those of the previous `trail_points - 1` frames (DeepLabCut's
        count); 0 and 1 draw none.
    skeleton_color
        A matplotlib color; None is DeepLabCut's black, and white with `keypoints_only`.
    """

    displayed_body_parts: tuple[str, ...] | None = None
    p_cutoff: float = 0.6
    dot_size_px: float = 5
    color_map: str = "rainbow"
    keypoints_only: bool = False
    draw_skeleton: bool = False
    skeleton: tuple[tuple[str, str], ...] = ()
    trail_points: int = 0
    skeleton_color: str | None = None


class Canvas:
    """One RGB buffer that frames are drawn on, shared with FFmpeg, padded to even sizes.

    `image` is what is drawn on, uint8, shape (height, width, 3), RGB; `padded_shape` is the height
    and width in pixels of what is encoded.
    """

    def __init__(self, width: int, height: int) -> None:
        self.padded_shape = (height + height % 2, width + width % 2)
        self._padded = np.zeros((*self.padded_shape, 3), np.uint8)
        self.image: NDArray[np.uint8] = self._padded[:height, :width]
        self._frame = av.VideoFrame.from_numpy_buffer(self._padded, "rgb24")
        self._reformatter = reformatter.VideoReformatter()

    def to_yuv420p(self) -> av.VideoFrame:
        """Convert what is on the canvas now; the result does not change with the canvas."""
        height, width = self.image.shape[:2]
        self._padded[height:, :width] = self.image[-1:]
        self._padded[:, width:] = self._padded[:, width - 1 : width]
        return self._reformatter.reformat(
            self._frame,
            format="yuv420p",
            src_color_range=reformatter.ColorRange.JPEG,
            dst_color_range=reformatter.ColorRange.MPEG,
            dst_colorspace=reformatter.Colorspace.ITU709,
            dst_color_primaries=reformatter.ColorPrimaries.BT709,
            dst_color_trc=reformatter.ColorTrc.BT709,
            threads=1,
        )


class Overlay:
    """Draws the poses of one movie, frame after frame.

    The pixels are those of DeepLabCut 2.3.11's `CreateVideo` (`utils/make_labeled_video.py`).
    Between frames only the last `trail_points - 1` frames' poses are kept. The body parts are all
    of the model, in its order; `ValueError` if a displayed one is none of them, or a color is
    unknown.
    """

    def __init__(self, body_parts: Sequence[str], style: OverlayStyle) -> None:
        self._style = style
        self._colors = body_part_colors(style.color_map, len(body_parts))
        shown = body_parts if style.displayed_body_parts is None else style.displayed_body_parts
        unknown = [name for name in shown if name not in body_parts]
        if unknown:
            raise ValueError(
                f"displayed body parts must be among {list(body_parts)}, got {unknown}"
            )
        index = {name: number for number, name in enumerate(body_parts)}
        self._shown = [number for number, name in enumerate(body_parts) if name in shown]
        skeleton = style.skeleton if style.draw_skeleton else ()
        self._pairs = [(index[a], index[b]) for a, b in skeleton if a in index and b in index]
        ground = "white" if style.keypoints_only else "black"
        self._skeleton_color = rgb(style.skeleton_color or ground)
        self._past: deque[NDArray[np.float64]] = deque(maxlen=max(style.trail_points - 1, 0))

    def draw(self, image: NDArray[np.uint8], poses: NDArray[np.float64]) -> None:
        """Draw the next frame's poses, float64, shape (body parts, 3): x, y in pixels, likelihood.

        A body part whose position is NaN is not drawn, whatever its likelihood.
        The image, uint8, shape (height, width, 3), RGB, is drawn on: give a copy of a batch's,
        which other sinks see, too.
        """
        seen = poses[:, 2] > self._style.p_cutoff
        for start, end in self._pairs:
            if seen[start] and seen[end]:
                _draw_line(image, poses[start, :2], poses[end, :2], self._skeleton_color)
        for part in self._shown:
            if seen[part]:
                # Past dots are drawn however unlikely they were: DeepLabCut asks only about now.
                for frame in (*self._past, poses):
                    _draw_disk(image, frame[part, :2], self._style.dot_size_px, self._colors[part])
        self.add_to_trail(poses)

    def add_to_trail(self, poses: NDArray[np.float64]) -> None:
        """Take the next frame's poses without drawing them, for the trails of those to come."""
        self._past.append(poses.copy())


def mark_missing_picture(image: NDArray[np.uint8]) -> None:
    """Cross the frame out with a border and diagonals, in place: its picture is missing.

    `image` is uint8, shape (height, width, 3), RGB. The lines are red and edged with white, so
    that they are seen on any ground, and what it shows stays visible around them.
    """
    height, width = image.shape[:2]
    # Colours have half the resolution in yuv420p: a red line of one pixel would turn grey.
    thickness_px = max(2, min(height, width) // 80)
    edge_px = max(1, thickness_px // 2)
    row, column = np.ogrid[:height, :width]
    # A pixel's distance to the falling diagonal; the rising one is its mirror image.
    falling_px = np.abs((row + 0.5) * width - (column + 0.5) * height) / np.hypot(height, width)
    diagonal_px = np.minimum(falling_px, falling_px[:, ::-1])
    # From the nearest edge of the frame, 0 in the outermost pixels.
    border_px = np.minimum(np.minimum(row, row[::-1]), np.minimum(column, column[:, ::-1]))
    red = (diagonal_px <= thickness_px / 2) | (border_px < thickness_px)
    edged = (diagonal_px <= thickness_px / 2 + edge_px) | (border_px < thickness_px + edge_px)
    image[edged] = MISSING_PICTURE_EDGE
    image[red] = MISSING_PICTURE_COLOR


def _draw_disk(
    image: NDArray[np.uint8], center: NDArray[np.float64], radius_px: float, color: Color
) -> None:
    """Paint the pixels with ``(row - y)**2 + (column - x)**2 < radius_px**2``.

    Rounded as by scikit-image's ``disk``, with which DeepLabCut draws, at a quarter of its time.
    """
    if radius_px > 0 and np.isfinite(center).all():
        x, y = center
        spans, distances = [], []  # along each axis: the pixels, their squared distances in radii
        for middle_px, length_px in ((y, image.shape[0]), (x, image.shape[1])):
            first = max(math.ceil(middle_px - radius_px), 0)
            stop = max(min(math.floor(middle_px + radius_px), length_px - 1) + 1, first)
            distance = (np.arange(stop - first) - (middle_px - first)) / radius_px
            spans.append(slice(first, stop))
            distances.append(distance * distance)
        image[spans[0], spans[1]][distances[0][:, np.newaxis] + distances[1] < 1] = color


def _draw_line(
    image: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], color: Color
) -> None:
    """Paint every pixel that an anti-aliased line would touch; NaN ends paint none.

    DeepLabCut cuts coordinates to whole pixels and keeps the start at or above 0 and the end
    at or above 1, which is reproduced here.
    """
    if np.isnan(start).any() or np.isnan(end).any():
        return
    height, width = image.shape[:2]
    last = (width - 1, height - 1)
    start_column, start_row = np.clip(start, 0, last).astype(int)
    end_column, end_row = np.clip(end, 1, last).astype(int)
    rows, columns, _ = line_aa(start_row, start_column, end_row, end_column)  # type: ignore[no-untyped-call] # scikit-image has no types
    image[rows, columns] = color
