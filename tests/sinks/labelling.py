"""Labelled movies for tests: batches to write, sinks to write them with, and what comes out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from readers import FrameBatch, FrameStatus
from sinks import LabelledMovieSink, OverlayStyle, PoseBatch

BODY_PARTS = ("nose", "neck", "tail")
DECODED, DROPPED, UNDECODABLE, _ = FrameStatus


def make_batch(
    images: NDArray[np.uint8],
    status: list[FrameStatus] | None = None,
    poses: NDArray[np.float64] | None = None,
    first: int = 0,
) -> PoseBatch:
    """A batch whose images cannot be written on; no poses and no missing frames by default."""
    images = images.copy()
    images.flags.writeable = False
    n = len(images)
    frames = FrameBatch(
        first_frame_index=first,
        images=images,
        time_s=np.arange(n) / 30,
        hardware_counter_us=np.full(n, np.nan),
        status=np.array(status or [DECODED] * n, np.uint8),
    )
    return PoseBatch(frames, np.full((n, 3, 3), np.nan) if poses is None else poses)


def make_sink(
    path: Path,
    images: NDArray[np.uint8],
    *,
    frame_rate: Fraction = Fraction(30),
    style: OverlayStyle | None = None,
    joins: bool = True,
) -> LabelledMovieSink:
    return LabelledMovieSink(
        path,
        width=images.shape[2],
        height=images.shape[1],
        frame_rate=frame_rate,
        body_parts=BODY_PARTS,
        style=style or OverlayStyle(),
        joins=joins,
    )


def soft_images(num_frames: int, height: int, width: int) -> NDArray[np.uint8]:
    """Grey gradients that brighten from frame to frame: an encoder keeps them to a level or so."""
    frame, row, column = np.ogrid[:num_frames, :height, :width]
    level = 40 + 12 * frame + row + column
    return np.repeat(level[..., None], 3, axis=3).astype(np.uint8)


def moving_poses(num_frames: int) -> NDArray[np.float64]:
    frame, part = np.mgrid[:num_frames, :3]
    return np.stack([10 + 2.5 * frame + 8 * part, 12.3 + frame, np.ones_like(part)], axis=2)


def decode(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
