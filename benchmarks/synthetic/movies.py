"""Movies of a walking mouse, with the exact positions of its body parts."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic.mouse import Mouse
from benchmarks.synthetic.painter import Painter
from benchmarks.synthetic.scene import Look, Scene

LOOKS: tuple[Look, ...] = ("infrared", "white light")
SMALLEST_BODY, LARGEST_BODY = 0.19, 0.32  # body lengths, in shares of the picture's shorter side


class MouseMovie:
    """A movie of one mouse seen from below, made frame by frame, of any length.

    The same seed and size give the same animal, arena and walk; a frame's picture depends on
    these and on its index alone, so frames can be asked for in any order.

    Parameters
    ----------
    seed
        Chooses animal, arena, light and walk.
    width, height
        Size of the pictures in pixels.
    frame_rate
        Frames per second.
    num_frames
        How many frames `frames` yields.
    look
        ``"infrared"`` (grey) or ``"white light"`` (colour); None for a choice by seed.
    body_length
        Nose tip to tail base in shares of the picture's shorter side; None for a choice by seed.

    Raises
    ------
    ValueError
        If the picture is smaller than 64 pixels either way.
    """

    def __init__(
        self,
        seed: int = 0,
        width: int = 640,
        height: int = 480,
        frame_rate: float | Fraction = 25,
        num_frames: int = 250,
        look: Look | None = None,
        body_length: float | None = None,
    ) -> None:
        if min(width, height) < 64:
            raise ValueError(f"width and height must be at least 64 pixels, got {width}x{height}")
        rng = np.random.default_rng(seed)
        chosen_look = LOOKS[int(rng.random() < 0.4)]
        chosen_length = float(rng.uniform(SMALLEST_BODY, LARGEST_BODY))
        self.seed = seed
        self.width, self.height = width, height
        self.frame_rate = Fraction(frame_rate).limit_denominator(1_000_000)
        self.num_frames = num_frames
        self.look: Look = look or chosen_look
        body_length_px = (body_length or chosen_length) * min(width, height)
        self._scene = Scene(rng, width, height, self.look)
        self._mouse = Mouse(rng, body_length_px, self._scene.floor)
        self._painter = Painter(rng, self._scene, body_length_px)

    def key_points(self, frame_index: int) -> NDArray[np.float64]:
        """Tell where the body parts are: (8, 2), x and y in pixels, in the order `BODY_PARTS`.

        The centre of the top left pixel is (0, 0).
        """
        return self._mouse.pose(self._time_s(frame_index)).key_points

    def image(self, frame_index: int) -> NDArray[np.uint8]:
        """Paint a frame: uint8, shape (height, width, 3), RGB, all equal in infrared light."""
        pose = self._mouse.pose(self._time_s(frame_index))
        animal, patch = self._painter.paint(pose)
        noise_rng = np.random.default_rng((self.seed, frame_index))
        picture = self._scene.noisy(noise_rng, animal, patch)
        return picture if picture.shape[2] == 3 else np.repeat(picture, 3, axis=2)

    def frames(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
        """Yield every frame's picture and key points, in order, keeping none."""
        for frame_index in range(self.num_frames):
            yield self.image(frame_index), self.key_points(frame_index)

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame's picture, in order, for the writers."""
        return (self.image(frame_index) for frame_index in range(self.num_frames))

    def _time_s(self, frame_index: int) -> float:
        return float(frame_index / self.frame_rate)
