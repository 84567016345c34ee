"""The empty arena as the camera under it sees it: floor, walls, light, and the glass in front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic.shapes import Image, Patch, capsules, coverage, disks, smooth_noise

Look = Literal["infrared", "white light"]
FULL_SCALE = 255.0
NOISE_MARGIN_PX = 64


@dataclass(frozen=True)
class Palette:
    """Tones of one movie, 0-1, shape (1,) in infrared light and (3,) in white light, RGB."""

    floor: Image
    wall: Image
    outside: Image
    fur: Image
    belly: Image
    skin: Image

    @classmethod
    def draw(cls, rng: np.random.Generator, look: Look) -> Palette:
        """Dark or light fur on a floor that it stands out from; skin brighter than fur."""
        dark_fur = rng.random() < 0.65
        fur = rng.uniform(0.07, 0.20) if dark_fur else rng.uniform(0.50, 0.68)
        if dark_fur:
            floor = rng.uniform(0.34, 0.66)
        else:
            floor = rng.uniform(0.10, 0.34) if rng.random() < 0.8 else rng.uniform(0.82, 0.92)
        skin = rng.uniform(0.62, 0.80) if dark_fur else rng.uniform(0.86, 0.97)
        wall = np.clip(floor * rng.uniform(0.7, 1.5), 0.05, 0.95)
        tones = [floor, wall, rng.uniform(0.02, 0.12), fur, fur * rng.uniform(0.95, 1.35), skin]
        if look == "infrared":
            tints = [np.ones(1)] * 6
        else:
            floor_tint, fur_tint = _tint(rng, 0.10), _tint(rng, 0.06)
            brown = np.array([1.12, 0.98, 0.86]) if rng.random() < 0.5 else np.ones(3)
            pink = np.array([1.10, 0.92, 0.88]) * _tint(rng, 0.04)
            tints = [floor_tint, floor_tint, np.ones(3), fur_tint * brown, fur_tint * brown, pink]
        tinted = [np.minimum(tone * tint, 1) for tone, tint in zip(tones, tints, strict=True)]
        return cls(*(tone.astype(np.float32) for tone in tinted))


class Scene:
    """The empty arena, the light that falls on it, and what lies between it and the camera.

    Parameters
    ----------
    rng
        Draws everything about it.
    width, height
        Size of the picture in pixels.
    look
        ``"infrared"``: one grey channel. ``"white light"``: three, RGB.

    Attributes
    ----------
    floor
        Left, top, right and bottom of the floor in pixels.
    background
        float32, shape (height, width, channels), 0-255: the arena without animal and noise.
    light
        float32, shape (height, width, 1): factor on every tone (gradient and vignette).
    glass
        float32, shape (height, width, 1), 0-255: smudges and reflections, added in front.
    softness_px
        Width of the edges of what stands on the floor: how sharp the camera's picture is.
    """

    def __init__(self, rng: np.random.Generator, width: int, height: int, look: Look) -> None:
        self.look = look
        self.palette = Palette.draw(rng, look)
        self._unit_px = min(width, height)
        frame = self._unit_px * rng.uniform(0.02, 0.09, 4)
        self.floor = (frame[0], frame[1], width - 1 - frame[2], height - 1 - frame[3])
        self.softness_px = float(rng.uniform(1.0, 2.2))
        self.light = _light(rng, width, height)
        self.glass = _glass(rng, width, height)
        tones = self._arena(rng, width, height)
        self._litter(rng, tones)
        self.background = np.clip(tones * self.light * FULL_SCALE + self.glass, 0, FULL_SCALE)
        self._background_levels = np.rint(self.background).astype(np.int16)
        noise_shape = (height + NOISE_MARGIN_PX, width + NOISE_MARGIN_PX, 1)
        strength = rng.uniform(1.0, 4.0)
        self._noise = np.rint(rng.standard_normal(noise_shape) * strength).astype(np.int16)

    def noisy(self, rng: np.random.Generator, animal: Image, patch: Patch) -> NDArray[np.uint8]:
        """Put the animal in its patch, add camera noise: uint8 (height, width, channels)."""
        levels = self._background_levels
        height, width = levels.shape[:2]
        down, across = rng.integers(0, NOISE_MARGIN_PX, 2)
        noise = self._noise[down : down + height, across : across + width]
        picture = levels + noise
        picture[patch.slices] = np.rint(animal).astype(np.int16) + noise[patch.slices]
        clipped: NDArray[np.int16] = np.clip(picture, 0, 255, out=picture)
        return clipped.astype(np.uint8)

    def _arena(self, rng: np.random.Generator, width: int, height: int) -> Image:
        """Lay out the floor, the walls around it, and the dark room with its strip of lights."""
        left, top, right, bottom = self.floor
        x, y = Patch(0, 0, width, height).grid()
        inside = np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, bottom - y))
        wall_px = self._unit_px * rng.uniform(0.0, 0.06)
        tones = np.broadcast_to(self.palette.outside, (height, width, len(self.palette.floor)))
        wall = coverage(inside + wall_px, 1.5)[..., None]
        shade = 1 + 0.25 * np.sin(np.arctan2(y - height / 2, x - width / 2) + rng.uniform(0, 6))
        tones = tones + wall * (self.palette.wall * shade[..., None] - tones)
        if rng.random() < 0.4:
            lights = np.exp(-(((inside + wall_px + 0.02 * self._unit_px) / 4) ** 2))
            tones = tones + lights[..., None] * rng.uniform(0.3, 0.9)
        floor = self.palette.floor * self._floor_texture(rng, inside)[..., None]
        tones = tones + coverage(inside, 1.5)[..., None] * (floor - tones)
        return np.asarray(tones, dtype=np.float32)

    def _floor_texture(self, rng: np.random.Generator, inside: Image) -> Image:
        height, width = inside.shape
        coarse = smooth_noise(rng, height, width, 4, 5) * rng.uniform(0.0, 0.07)
        fine = smooth_noise(rng, height, width, height // 3, width // 3) * rng.uniform(0.0, 0.04)
        # Light from the walls falls off, or the foot of the walls throws a shadow.
        edge = np.exp(-np.clip(inside, 0, None) / (0.05 * self._unit_px))
        texture = 1 + coarse + fine + edge * rng.uniform(-0.35, 0.2)
        return np.asarray(texture, dtype=np.float32)

    def _litter(self, rng: np.random.Generator, tones: Image) -> None:
        """Leave droppings, drops, a mark: what a network must learn to leave alone."""
        left, top, right, bottom = self.floor
        height, width = tones.shape[:2]
        for _ in range(int(rng.integers(0, 9))):
            centre = rng.uniform([left, top], [right, bottom])
            half = rng.uniform(0.002, 0.012) * self._unit_px * _unit(rng.uniform(0, 2 * np.pi))
            radius = rng.uniform(0.002, 0.006) * self._unit_px
            ends = np.stack([centre - half, centre + half])
            patch = Patch.around(ends, radius + 3, width, height)
            bar = capsules(patch, ends[:1], ends[1:], np.full((1, 2), radius))
            opacity = coverage(bar, self.softness_px)[..., None] * rng.uniform(0.4, 0.95)
            tone = np.float32(rng.choice([0.04, 0.15, 0.6, 0.9]))
            tones[patch.slices] += opacity * (tone - tones[patch.slices])
        if rng.random() < 0.4:
            self._mark(rng, tones)

    def _mark(self, rng: np.random.Generator, tones: Image) -> None:
        """Draw a ring or a straight line across the floor, as tape and glass seams make."""
        height, width = tones.shape[:2]
        patch = Patch(0, 0, width, height)
        centre = np.array([[width, height]]) * rng.uniform(0.3, 0.7, (1, 2))
        if rng.random() < 0.5:
            depth = disks(patch, centre, self._unit_px * rng.uniform(0.1, 0.4, 1))
            depth = rng.uniform(1.0, 3.0) - np.abs(depth)
        else:
            half = _unit(rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.02)) * width
            depth = capsules(patch, centre - half, centre + half, np.full((1, 2), 1.0))
        x, y = patch.grid()
        left, top, right, bottom = self.floor
        on_floor = (x > left) & (x < right) & (y > top) & (y < bottom)
        opacity = coverage(depth.astype(np.float32), 1.5) * on_floor * rng.uniform(0.1, 0.7)
        tone = np.float32(rng.uniform(0.05, 0.9))
        tones += opacity[..., None] * (tone - tones)


def _light(rng: np.random.Generator, width: int, height: int) -> Image:
    x = np.linspace(-1, 1, width)[None, :]
    y = np.linspace(-1, 1, height)[:, None]
    slope = rng.uniform(0.0, 0.22) * _unit(rng.uniform(0, 2 * np.pi))
    vignette = rng.uniform(0.0, 0.3) * (x**2 + y**2) / 2
    light = (1 + slope[0] * x + slope[1] * y) * (1 - vignette)
    return np.asarray(light[..., None], dtype=np.float32)


def _glass(rng: np.random.Generator, width: int, height: int) -> Image:
    """Make smudges all over, and now and then the soft reflection of a lamp."""
    smudges = np.clip(smooth_noise(rng, height, width, 9, 12) - 0.4, 0, None)
    glass = smudges * rng.uniform(0.0, 9.0)
    for _ in range(int(rng.integers(0, 3))):
        centre = rng.uniform(0, 1, (1, 2)) * [width, height]
        half = rng.uniform(0.0, 0.12) * width * _unit(rng.uniform(0, 2 * np.pi))
        patch = Patch(0, 0, width, height)
        bar = capsules(patch, centre - half, centre + half, np.zeros((1, 2)))
        spread = rng.uniform(0.02, 0.06) * min(width, height)
        glass = glass + rng.uniform(6.0, 28.0) * np.exp(-((bar / spread) ** 2))
    return np.asarray(glass[..., None], dtype=np.float32)


def _tint(rng: np.random.Generator, strength: float) -> NDArray[np.float64]:
    return 1 + rng.uniform(-strength, strength, 3)


def _unit(angle: float) -> NDArray[np.float64]:
    return np.array([np.cos(angle), np.sin(angle)])
