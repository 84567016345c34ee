"""The pictures that the built-in model is trained on, and what it should say about them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import BODY_PARTS, MouseMovie

STRIDE_PX = 8
LOCREF_STDEV_PX = 7.2801
POS_DIST_THRESH_PX = 17.0
FIRST_TRAINING_SEED = 1_000_000  # seeds below it are left for evaluation, demo and tests


class Pool:
    """Frames of many generated movies, kept in memory, and random crops of them.

    Parameters
    ----------
    first_seed, num_movies, frames_per_movie
        Which seeds, and how many frames, spread over a minute, of each. The first seed draws
        frames and crops, too.
    """

    def __init__(self, first_seed: int, num_movies: int, frames_per_movie: int) -> None:
        self._rng = np.random.default_rng(first_seed)
        self._frames: list[tuple[NDArray[np.uint8], NDArray[np.float64]]] = []
        for movie_seed in range(first_seed, first_seed + num_movies):
            movie = MouseMovie(movie_seed)
            for index in self._rng.integers(0, 60 * 25, frames_per_movie):
                image = movie.image(int(index))
                kept = image[..., :1].copy() if movie.look == "infrared" else image
                self._frames.append((kept, movie.key_points(int(index))))

    def batch(
        self, size: int, height: int, width: int
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float64]]]:
        """Crops, float32 (size, height, width, 3), and the key points (8, 2) in each."""
        images = np.empty((size, height, width, 3), dtype=np.float32)
        points = []
        for i in range(size):
            picture, where = self._frames[self._rng.integers(len(self._frames))]
            crop, where = self._crop(picture, where, height, width)
            images[i] = self._photographed(crop)
            points.append(where)
        return images, points

    def _crop(
        self, picture: NDArray[np.uint8], where: NDArray[np.float64], height: int, width: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Turn by quarters or not at all, and cut a window: mostly about the animal."""
        rng = self._rng
        for _ in range(int(rng.integers(4)) if height == width else 2 * int(rng.integers(2))):
            # np.rot90 turns anticlockwise: the right edge becomes the top one.
            where = np.stack([where[:, 1], picture.shape[1] - 1 - where[:, 0]], axis=1)
            picture = np.rot90(picture)
        room = np.array([picture.shape[1] - width, picture.shape[0] - height])
        if rng.random() < 0.75:
            corner = where[rng.integers(len(where))] - rng.uniform(0.1, 0.9, 2) * [width, height]
        else:
            corner = rng.uniform(0.0, 1.0, 2) * room
        left, top = np.clip(np.rint(corner), 0, room).astype(int)
        return picture[top : top + height, left : left + width], where - [left, top]

    def _photographed(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Expose the crop anew: contrast, brightness, gamma, sharpness, noise, colour."""
        rng = self._rng
        image = crop.astype(np.float32)
        if image.shape[2] == 3 and rng.random() < 0.3:
            image = image.mean(axis=2, keepdims=True)
        if rng.random() < 0.25:
            image[1:-1, 1:-1] = _blurred(image)
        image = 255 * (image / 255) ** np.float32(rng.uniform(0.75, 1.33))
        image = (image - 110) * np.float32(rng.uniform(0.75, 1.3)) + 110 + rng.uniform(-25, 25)
        if rng.random() < 0.3:
            noise = rng.standard_normal((*image.shape[:2], 1), dtype=np.float32)
            image = image + noise * np.float32(rng.uniform(0, 6))
        return np.asarray(np.clip(image, 0, 255), dtype=np.float32)


def targets(
    points: list[NDArray[np.float64]], height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Make score map, offsets and their mask for crops of this size.

    A cell is positive where its centre lies within `POS_DIST_THRESH_PX` of the key point; there,
    the offset is that from the cell's centre to the key point, x before y, over
    `LOCREF_STDEV_PX`: what DeepLabCut's heads are trained on.

    Returns
    -------
    scores
        float32, shape (crops, rows, columns, 8), 0 or 1.
    offsets, mask
        float32, shape (crops, rows, columns, 16).
    """
    rows, columns = -(-height // 16) * 2, -(-width // 16) * 2
    x = np.arange(columns)[None, None, :, None] * STRIDE_PX + STRIDE_PX / 2
    y = np.arange(rows)[None, :, None, None] * STRIDE_PX + STRIDE_PX / 2
    where = np.stack(points)[:, None, None]
    offset = np.stack(np.broadcast_arrays(where[..., 0] - x, where[..., 1] - y), axis=-1)
    scores = (offset**2).sum(axis=-1) <= POS_DIST_THRESH_PX**2
    mask = np.repeat(scores[..., None], 2, axis=-1)
    shape = (len(points), rows, columns, 2 * len(BODY_PARTS))
    offsets = np.where(mask, offset / LOCREF_STDEV_PX, 0.0)
    return (
        scores.astype(np.float32),
        offsets.reshape(shape).astype(np.float32),
        mask.reshape(shape).astype(np.float32),
    )


def _blurred(image: NDArray[np.float32]) -> NDArray[np.float32]:
    across = image[:, :-2] + 2 * image[:, 1:-1] + image[:, 2:]
    blurred = (across[:-2] + 2 * across[1:-1] + across[2:]) / np.float32(16)
    return np.asarray(blurred)
