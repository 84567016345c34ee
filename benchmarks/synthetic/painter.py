"""Paint a mouse, seen from below through the glass it stands on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic.mouse import NECK, NUM_SPINE_POINTS, Paw, Pose
from benchmarks.synthetic.scene import FULL_SCALE, Scene
from benchmarks.synthetic.shapes import Image, Patch, capsules, coverage, disks, smooth_noise

# Half-width of the body against the position behind the nose tip, both in body lengths.
OUTLINE_AT = (0.0, 0.03, 0.10, 0.18, 0.26, 0.36, 0.48, 0.62, 0.78, 0.90, 0.97, 1.0)
OUTLINE = (0.016, 0.030, 0.058, 0.088, 0.092, 0.120, 0.148, 0.172, 0.172, 0.125, 0.060, 0.030)
FORE_PAW_LENGTH, FORE_PAW_TOES = 0.075, 4
HIND_PAW_LENGTH, HIND_PAW_TOES = 0.135, 5
TEXTURE_SIZE = 256
FADED_BY_LIFT = 0.45


class Painter:
    """Paints one animal into one scene.

    Parameters
    ----------
    rng
        Draws the animal's build and the texture of its fur.
    scene
        Where it is: gives tones, light, sharpness and the glass in front.
    body_length_px
        Nose tip to tail base.
    """

    def __init__(self, rng: np.random.Generator, scene: Scene, body_length_px: float) -> None:
        self._scene = scene
        self._length = body_length_px
        along = np.linspace(0.0, 1.0, NUM_SPINE_POINTS)
        plump = rng.uniform(0.92, 1.12)
        self._half_width = np.interp(along, OUTLINE_AT, OUTLINE) * body_length_px
        self._half_width *= 1 + (plump - 1) * np.clip((along - 0.2) / 0.2, 0, 1)
        self._belly = np.exp(-(((along - 0.62) / 0.2) ** 2))
        self._shadow = (rng.uniform(0.05, 0.4), rng.uniform(-0.03, 0.03, 2) * body_length_px)
        hair = smooth_noise(rng, TEXTURE_SIZE, TEXTURE_SIZE, 90, 30)
        patches = smooth_noise(rng, TEXTURE_SIZE, TEXTURE_SIZE, 8, 8)
        self._fur = 1 + rng.uniform(0.03, 0.09) * hair + rng.uniform(0.0, 0.07) * patches
        self._tail_width = rng.uniform(0.022, 0.030) * body_length_px

    def paint(self, pose: Pose) -> tuple[Image, Patch]:
        """Paint the animal on its background, without noise, 0-255; and tell the patch it fills."""
        scene = self._scene
        height, width = scene.background.shape[:2]
        points = np.concatenate([pose.spine, pose.tail, pose.key_points])
        # Wide enough for ears, toes, whiskers and the soft edges of all of them.
        patch = Patch.around(points, 0.25 * self._length + 8, width, height)
        canvas = scene.background[patch.slices].copy()
        self._paint_body(canvas, patch, pose)
        self._paint_tail(canvas, patch, pose.tail)
        for name, paw in pose.paws.items():
            self._paint_paw(canvas, patch, paw, hind=name.endswith("hind"))
        self._paint_nose(canvas, patch, pose)
        return canvas, patch

    def _lay(self, canvas: Image, outer: Patch, patch: Patch, tone: Image, opacity: Image) -> None:
        """Lay a tone (channels,) or (h, w, channels), lit and seen through the glass, over it."""
        lit = tone * self._scene.light[patch.slices] * np.float32(FULL_SCALE)
        lit += self._scene.glass[patch.slices]
        under = canvas[patch.within(outer)]
        under += opacity[..., None] * (lit - under)

    def _patch(self, points: NDArray[np.float64], margin_px: float) -> Patch:
        height, width = self._scene.background.shape[:2]
        return Patch.around(points, margin_px, width, height)

    def _paint_body(self, canvas: Image, outer: Patch, pose: Pose) -> None:
        half_width = self._half_width * (1 + (pose.breath - 1) * self._belly)
        patch = self._patch(pose.spine, 0.25 * self._length)
        depth = disks(patch, pose.spine, half_width)
        strength, (shift_x, shift_y) = self._shadow
        shadow = np.roll(depth, (round(shift_y), round(shift_x)), axis=(0, 1))
        shade = np.clip(1 + shadow / np.float32(0.09 * self._length), 0, 1) ** 2
        canvas[patch.within(outer)] *= 1 - np.float32(strength) * shade[..., None]
        self._paint_ears(canvas, outer, pose)
        # Fur stands off the outline unevenly: the hairs move the edge by a pixel or so.
        fur = self._fur_at(patch, pose)
        palette = self._scene.palette
        round_px = np.float32(0.13 * self._length)
        roundness = np.sqrt(np.clip(depth / round_px, 0, 1))[..., None]
        tone = palette.fur * 0.75 + (palette.belly - palette.fur * 0.75) * roundness
        edge = coverage(depth + 6 * (fur - 1), self._scene.softness_px + 1.0)
        self._lay(canvas, outer, patch, tone * fur[..., None], edge)
        self._paint_throat(canvas, outer, pose)

    def _fur_at(self, patch: Patch, pose: Pose) -> Image:
        """Look up the fur's texture, which turns and moves with the trunk."""
        middle = NUM_SPINE_POINTS // 2
        x, y = patch.grid()
        centre, heading = pose.spine[middle], pose.spine_headings[middle]
        scale = 160.0 / self._length
        cosine, sine = scale * np.cos(heading), scale * np.sin(heading)
        dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
        along = (dx * np.float32(cosine) + dy * np.float32(sine)).astype(np.int32)
        across = (dy * np.float32(cosine) - dx * np.float32(sine)).astype(np.int32)
        return np.asarray(self._fur[across % TEXTURE_SIZE, along % TEXTURE_SIZE])

    def _paint_ears(self, canvas: Image, outer: Patch, pose: Pose) -> None:
        """Paint two ears beside the head, half hidden behind it."""
        place = round(0.20 * (NUM_SPINE_POINTS - 1))
        heading = pose.spine_headings[place]
        side = np.array([np.sin(heading), -np.cos(heading)]) * 0.095 * self._length
        ears = np.stack([pose.spine[place] + side, pose.spine[place] - side])
        patch = self._patch(ears, 0.1 * self._length)
        opacity = coverage(disks(patch, ears, np.full(2, 0.052 * self._length)), 2.0)
        palette = self._scene.palette
        self._lay(canvas, outer, patch, 0.6 * palette.fur + 0.3 * palette.skin, opacity)

    def _paint_throat(self, canvas: Image, outer: Patch, pose: Pose) -> None:
        """Let the skin through where the fur is thin: chin, throat and groin."""
        places = np.array([0.10, NECK, 0.93])
        spots = pose.spine[np.rint(places * (NUM_SPINE_POINTS - 1)).astype(int)]
        radii = np.array([0.055, 0.060, 0.035]) * self._length
        palette = self._scene.palette
        tone = 0.6 * palette.fur + 0.4 * palette.skin
        for spot, radius in zip(spots, radii, strict=True):
            patch = self._patch(spot[None], 1.6 * radius)
            x, y = patch.grid()
            away = ((x - np.float32(spot[0])) ** 2 + (y - np.float32(spot[1])) ** 2) / radius**2
            self._lay(canvas, outer, patch, tone, np.float32(0.5) * np.exp(-1.5 * away))

    def _paint_tail(self, canvas: Image, outer: Patch, tail: NDArray[np.float64]) -> None:
        width = self._tail_width * np.linspace(1.0, 0.25, len(tail)) + 0.5
        whole = self._patch(tail, self._tail_width + 4)
        x, y = whole.grid()
        depth = np.full((y.size, x.size), -np.inf, dtype=np.float32)
        # In pieces, since the box around the whole tail is mostly empty.
        for first in range(0, len(tail) - 1, 3):
            points, radii = tail[first : first + 4], width[first : first + 4]
            patch = self._patch(points, self._tail_width + 4)
            pairs = np.stack([radii[:-1], radii[1:]], axis=1)
            under = depth[patch.within(whole)]
            np.maximum(under, capsules(patch, points[:-1], points[1:], pairs), out=under)
        rounded = np.clip(0.72 + 0.2 * depth / np.float32(self._tail_width), 0.6, 0.9)
        tone = self._scene.palette.skin * rounded[..., None]
        opacity = coverage(depth, self._scene.softness_px + 0.4)
        self._lay(canvas, outer, whole, tone, opacity * np.float32(0.92))

    def _paint_paw(self, canvas: Image, outer: Patch, paw: Paw, *, hind: bool) -> None:
        length = (HIND_PAW_LENGTH if hind else FORE_PAW_LENGTH) * self._length
        starts, ends, radii = _paw_bars(length, HIND_PAW_TOES if hind else FORE_PAW_TOES, hind)
        cosine, sine = np.cos(paw.heading), np.sin(paw.heading)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        starts, ends = paw.centre + starts @ turn, paw.centre + ends @ turn
        patch = self._patch(np.concatenate([starts, ends]), 0.2 * length + 3)
        depth = capsules(patch, starts, ends, radii)
        # A lifted paw is off the glass: dimmer, and out of focus.
        softness = self._scene.softness_px + 1.5 * paw.lift
        opacity = coverage(depth + np.float32(0.3), softness) * (1 - FADED_BY_LIFT * paw.lift)
        pads = np.clip(0.88 + 0.14 * depth / np.float32(radii[0, 0]), 0.8, 1.05)
        self._lay(canvas, outer, patch, self._scene.palette.skin * pads[..., None], opacity)

    def _paint_nose(self, canvas: Image, outer: Patch, pose: Pose) -> None:
        """Paint whiskers and a bare, bright nose tip."""
        heading = float(pose.spine_headings[1])
        angles = heading + np.array([1.0, 1.35, 1.7, -1.0, -1.35, -1.7])
        roots = np.repeat(pose.spine[2][None], 6, axis=0)
        tips = roots + 0.16 * self._length * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        patch = self._patch(np.concatenate([roots, tips]), 3)
        whiskers = coverage(capsules(patch, roots, tips, np.zeros((6, 2))), 2.0)
        skin = self._scene.palette.skin
        self._lay(canvas, outer, patch, skin, whiskers * np.float32(0.35))
        snout = pose.spine[:3]
        patch = self._patch(snout, 0.06 * self._length + 3)
        depth = capsules(patch, snout[:1], snout[2:3], np.array([[0.022, 0.034]]) * self._length)
        opacity = coverage(depth, self._scene.softness_px + 0.5)
        self._lay(canvas, outer, patch, skin, opacity * np.float32(0.85))


def _paw_bars(
    length: float, num_toes: int, hind: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Make a sole and its toes of bars: x forwards, y sideways, the centre at the origin."""
    spread = np.linspace(-1.0, 1.0, num_toes)
    heel = -0.45 if hind else -0.22
    toe_root = np.stack([np.full(num_toes, 0.12), 0.16 * spread], axis=1)
    toe_tip = np.stack([0.58 - 0.16 * spread**2, 0.40 * spread], axis=1)
    starts = np.concatenate([[[heel, 0.0]], toe_root]) * length
    ends = np.concatenate([[[0.10, 0.0]], toe_tip]) * length
    sole = (0.13, 0.20) if hind else (0.24, 0.26)
    toes = (0.085, 0.065) if hind else (0.11, 0.085)
    return starts, ends, np.array([sole, *[toes] * num_toes]) * length
