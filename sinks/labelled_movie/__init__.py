"""The sink that draws poses on a movie's pictures and encodes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import numpy as np

from readers import FrameStatus
from sinks.base import PoseBatch, ResourceHolder
from sinks.labelled_movie.overlay import Canvas, Overlay, OverlayStyle, mark_missing_picture
from sinks.labelled_movie.segments import (
    FASTEST_FRAME_RATE,
    MAX_TICKS_PER_SECOND,
    SLOWEST_FRAME_RATE,
    SegmentedMovie,
)

NOT_READ_AGAIN = (0, 0, 3)
"""Shape of each image of a batch of finished frames."""


class LabelledMovieSink(ResourceHolder):
    """Draws each frame's poses on its picture and encodes the movie as mp4 (H.264, yuv420p).

    Every frame of the movie becomes one frame of the output, at a constant rate. A frame
    without a picture shows the last picture there was (black before the first), crossed out
    by `mark_missing_picture` and without dots. Batches stay as they are.

    H.264 in yuv420p needs even sizes: an odd width or height gets one more column or row, a
    copy of the last. Colours are converted and tagged as BT.709, limited range, whose primaries
    are those of sRGB screens; players left to guess go by the size, each in its own way.

    The movie is encoded in segments (see `SegmentedMovie`), files in the folder
    `segments_dir(path)`. An exception or a crash takes the open one with it and leaves the closed
    ones. At success they are joined and removed; meanwhile the movie is on the disk twice.

    A sink of the same path goes on from closed segments that it finds: `num_finished_frames`
    tells beforehand how many frames they hold. It is still given all frames from the first on.
    Of the finished ones it takes the poses, for trails, and the last picture. Images of shape
    (frames, 0, 0, 3) say that pictures were not read again; they are needed from the last decoded
    frame before the first unfinished one on, which may have none of its own. The movie then is,
    byte for byte, that of one sink that was given everything. A run that begins anew removes the
    folder first: the sink does not know whether segments are of the same movie, style and size.

    Memory does not depend on the length of the movie: the mp4 is written in fragments, each with
    an index of its own, while FFmpeg keeps that of a whole movie until its end. At the end a
    short table of the fragments is put in front, by which players find their way.

    Parameters
    ----------
    path
        The mp4 to write.
    width, height
        Size of the frames in pixels, cropped where a crop was asked for.
    frame_rate
        Frames per second of the output, from 1/600 to a million. Kept exactly where its period
        is a whole number of ticks of a clock of at most a million ticks per second (that of
        30000/1001 is); otherwise the period becomes the nearest that is.
    body_parts, style
        All body parts of the model, in its order, and what to draw of them.
    joins
        False leaves the movie in its segments, all of them closed: another sink of the same path
        makes it whole, perhaps at another frame rate.
    on_whole
        Given `path` when the movie is there, while its segments are there too.

    Raises
    ------
    ValueError
        If the frame rate is out of range or the style does not fit the model; by `write`, if
        images are not of the frames' size, or frames follow behind segments that are a whole
        movie; at the end, if there were fewer frames than in the segments.
    OutputError
        If the movie cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        frame_rate: Fraction,
        body_parts: Sequence[str],
        style: OverlayStyle,
        joins: bool = True,
        on_whole: Callable[[Path], None] = lambda _: None,
    ) -> None:
        if not SLOWEST_FRAME_RATE <= frame_rate <= FASTEST_FRAME_RATE:
            raise ValueError(
                f"frame rate must be from {SLOWEST_FRAME_RATE} to {FASTEST_FRAME_RATE} "
                f"frames per second, got {frame_rate}"
            )
        self._overlay = Overlay(body_parts, style)
        self._keypoints_only = style.keypoints_only
        self._last_picture = np.zeros((height, width, 3), np.uint8)
        self._canvas = Canvas(width, height)
        frame_period_s = (1 / frame_rate).limit_denominator(MAX_TICKS_PER_SECOND)
        shape = self._canvas.padded_shape
        self._movie = SegmentedMovie(path, shape, frame_period_s, joins=joins, on_whole=on_whole)
        self._num_frames = 0

    def open(self, resources: ExitStack) -> None:
        """Look for closed segments."""
        resources.enter_context(self._movie)

    def write(self, batch: PoseBatch) -> None:
        """Draw and encode the batch's frames, but for those in closed segments."""
        frames, picture = batch.frames, self._last_picture
        has_images = frames.images.shape[1:] != NOT_READ_AGAIN
        for image, status, poses in zip(frames.images, frames.status, batch.poses, strict=True):
            has_picture = status == FrameStatus.DECODED
            if has_picture and has_images and not self._keypoints_only:
                picture = image
            if self._num_frames < self._movie.num_finished_frames:
                self._overlay.add_to_trail(poses)
            elif has_picture and not has_images:
                raise ValueError(
                    f"frame {self._num_frames} is in no closed segment: its images must have "
                    f"shape (frames, height, width, 3), got {frames.images.shape}"
                )
            else:
                self._canvas.image[:] = picture
                self._overlay.draw(self._canvas.image, poses)
                if not has_picture:
                    mark_missing_picture(self._canvas.image)
                self._movie.encode(self._canvas.to_yuv420p())
            self._num_frames += 1
        # The batch's memory is used again, and the next batch may begin with a missing picture.
        self._last_picture[:] = picture

    def finish(self) -> None:
        """Check that no finished frame was left out."""
        if self._num_frames < self._movie.num_finished_frames:
            raise ValueError(
                f"the segments hold {self._movie.num_finished_frames} frames, "
                f"and only {self._num_frames} came"
            )
