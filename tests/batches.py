"""Small batches for tests of stages and sinks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from readers import FrameBatch, FrameStatus
from sinks import PoseBatch


def frame_batch(
    first_frame_index: int, num_frames: int, height: int = 4, width: int = 6
) -> FrameBatch:
    """Frames whose every pixel is the frame's index (modulo 256), at 10 frames/s."""
    indices = np.arange(first_frame_index, first_frame_index + num_frames)
    images = np.empty((num_frames, height, width, 3), np.uint8)
    images[:] = (indices % 256).astype(np.uint8)[:, None, None, None]
    return FrameBatch(
        first_frame_index,
        images,
        indices / 10,
        np.full(num_frames, np.nan),
        np.full(num_frames, FrameStatus.DECODED, np.uint8),
    )


def pose_batches(
    poses: NDArray[np.float64], batch_size: int, height: int = 4, width: int = 6
) -> Iterator[PoseBatch]:
    """Cut a movie's poses, shape (frames, body parts, 3), into batches with frames."""
    for first in range(0, len(poses), batch_size):
        part = poses[first : first + batch_size]
        yield PoseBatch(frame_batch(first, len(part), height, width), part)
