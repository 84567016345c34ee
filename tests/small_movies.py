"""Tiny movies of every format, for tests that need a movie but do not look at it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import write_avi, write_isxb, write_mp4

WIDTH, HEIGHT, NUM_FRAMES, FRAME_RATE = 128, 96, 4, 10

_WRITERS: dict[str, Callable[..., int]] = {
    ".mp4": write_mp4,
    ".avi": write_avi,
    ".isxb": write_isxb,
}


def pictures(
    num_frames: int = NUM_FRAMES, width: int = WIDTH, height: int = HEIGHT
) -> list[NDArray[np.uint8]]:
    """Noise, the same every time."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (height, width, 3), np.uint8) for _ in range(num_frames)]


def small_movie(
    path: Path,
    width: int = WIDTH,
    height: int = HEIGHT,
    num_frames: int = NUM_FRAMES,
    **options: object,
) -> Path:
    """Write a movie of the format that the suffix names."""
    write = _WRITERS[path.suffix]
    write(path, pictures(num_frames, width, height), FRAME_RATE, **options)
    return path
