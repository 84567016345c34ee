"""Movies of coloured pixels, and a model that finds them: wherever it looks, it sees the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.inference import PoseModel
from readers import FrameBatch, FrameStatus

HEIGHT, WIDTH = 240, 336
NUM_PARTS = 3
STRIDE_PX = 16


class MarkerModel(PoseModel):
    """Finds the pixel of each body part's value; where there is none, the pose is unlikely.

    Attributes
    ----------
    sizes
        Width and height of every image that it was shown.
    """

    body_parts: tuple[str, ...] = ("nose", "neck", "tail")
    runtime = "markers 1"

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        num_images, height, width, _ = images.shape
        self.sizes += [(width, height)] * num_images
        poses = np.zeros((num_images, NUM_PARTS, 3))
        for part in range(NUM_PARTS):
            is_there = (images[..., 0] == value(part)).reshape(num_images, -1)
            place = is_there.argmax(axis=1)
            found = is_there.any(axis=1)
            likelihood = np.where(found, 0.99, 0.1)
            poses[:, part] = np.stack([place % width, place // width, likelihood], axis=1)
        return poses

    def close(self) -> None: ...


def value(part: int) -> int:
    """Give the grey level of a body part."""
    return 100 + part


def frames(
    points: NDArray[np.float64],
    first_frame_index: int = 0,
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    tracker_boxes: NDArray[np.float64] | None = None,
) -> FrameBatch:
    """Paint frames.

    Parameters
    ----------
    points
        Shape (frames, body parts, 2): x and y of each; NaN for parts that cannot be seen.
    """
    images = np.zeros((len(points), size[1], size[0], 3), np.uint8)
    for image, parts in zip(images, points, strict=True):
        for part, (x, y) in enumerate(parts):
            if 0 <= x < size[0] and 0 <= y < size[1]:
                image[int(y), int(x)] = value(part)
    unknown = np.full(len(points), np.nan)
    status = np.full(len(points), FrameStatus.DECODED, np.uint8)
    return FrameBatch(
        first_frame_index, images, unknown, unknown, status, tracker_boxes=tracker_boxes
    )
