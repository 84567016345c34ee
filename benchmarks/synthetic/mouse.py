"""A mouse: its measures, its gait, and where its body parts are at any time.

Everything is a function of time alone: no state is carried from frame to frame, so that any
frame of a movie of any length costs the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic.path import WalkingPath

BODY_PARTS = ("tail_tip", "tail_base", "R_hind", "L_hind", "neck", "R_fore", "L_fore", "nose")

# Measures in body lengths (nose tip to tail base), positions counted backwards from the nose.
NECK = 0.25
PIVOT = 0.42  # behind it the spine follows the path, before it the head can turn
PAWS = {  # position along the body, to the side (right is positive), and phase in the stride
    "R_hind": (0.74, 0.165, 0.50),
    "L_hind": (0.74, -0.165, 0.00),
    "R_fore": (0.35, 0.105, 0.05),
    "L_fore": (0.35, -0.105, 0.55),
}
STRIDE = 0.46
STANCE = 0.65  # share of the stride for which a paw stands: a walk, diagonal paws nearly together
NUM_SPINE_POINTS = 36
NUM_TAIL_POINTS = 19
NUM_BOUTS = 48


@dataclass(frozen=True)
class Paw:
    """One paw on, or just above, the floor.

    Attributes
    ----------
    centre
        x and y in pixels.
    heading
        Direction in which the toes point, in radians.
    lift
        0 when it stands on the glass, 1 at the height of its swing.
    """

    centre: NDArray[np.float64]
    heading: float
    lift: float


@dataclass(frozen=True)
class Pose:
    """The place of a mouse at one moment; all positions in pixels, x before y.

    Attributes
    ----------
    spine
        Shape (n, 2), from the nose tip to the tail base.
    spine_headings
        Shape (n,): direction towards the nose in radians.
    tail
        Shape (m, 2), from the tail base to the tail tip.
    paws
        By name of the body part.
    breath
        Factor on the belly's width.
    key_points
        Shape (8, 2), in the order of `BODY_PARTS`.
    """

    spine: NDArray[np.float64]
    spine_headings: NDArray[np.float64]
    tail: NDArray[np.float64]
    paws: dict[str, Paw]
    breath: float
    key_points: NDArray[np.float64]


class Mouse:
    """A mouse that walks, turns, pauses and sometimes sits still on a path of its own.

    Paws stand where they were set down while the body moves over them, as they do on glass.

    Parameters
    ----------
    rng
        Draws the path, the sequence of bouts and the animal's habits.
    body_length_px
        Nose tip to tail base.
    floor
        Left, top, right and bottom of the floor in pixels; the path keeps clear of the walls.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        body_length_px: float,
        floor: tuple[float, float, float, float],
    ) -> None:
        self.body_length_px = body_length_px
        clearance = 0.36 * body_length_px
        left, top, right, bottom = floor
        self._path = WalkingPath(
            rng,
            left + clearance,
            top + clearance,
            right - clearance,
            bottom - clearance,
            min_radius_px=0.4 * body_length_px,
        )
        self._bouts = _Bouts(rng, step_px=0.5 * STRIDE * body_length_px)
        self._start_px = float(rng.uniform(0.0, self._path.length_px))
        self._tail_length_px = body_length_px * float(rng.uniform(0.75, 0.95))
        self._head = _Wobble(rng, amplitude=0.38, slowest_hz=0.15, fastest_hz=0.8)
        self._tail_bend = _Wobble(rng, amplitude=1.1, slowest_hz=0.05, fastest_hz=0.3)
        self._tail_wave = _Wobble(rng, amplitude=0.5, slowest_hz=0.2, fastest_hz=0.9)
        self._breath_hz = float(rng.uniform(2.0, 3.0))

    def pose(self, time_s: float) -> Pose:
        """Place the mouse `time_s` seconds after the movie's start."""
        walked_px = self._bouts.distance_px(time_s)
        spine, headings = self._spine(walked_px, self._head.at(time_s))
        tail = self._tail(walked_px, spine[-1], time_s)
        paws = {name: self._paw(name, walked_px) for name in PAWS}
        neck = _along(spine, NECK)
        parts = {"tail_tip": tail[-1], "tail_base": spine[-1], "neck": neck, "nose": spine[0]}
        parts.update({name: paw.centre for name, paw in paws.items()})
        return Pose(
            spine=spine,
            spine_headings=headings,
            tail=tail,
            paws=paws,
            breath=1.0 + 0.02 * float(np.sin(2 * np.pi * self._breath_hz * time_s)),
            key_points=np.stack([parts[name] for name in BODY_PARTS]),
        )

    def _behind_nose(self, walked_px: float, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._start_px + walked_px - lengths * self.body_length_px

    def _spine(
        self, walked_px: float, head_turn: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lay the trunk on the path, and turn neck and head away from it."""
        along = np.linspace(0.0, 1.0, NUM_SPINE_POINTS)
        distance = self._behind_nose(walked_px, along)
        spine = self._path.points(distance)
        headings = self._path.headings(distance)
        turned = np.clip((PIVOT - along) / (PIVOT - 0.1), 0.0, 1.0)
        headings = headings + head_turn * turned**2 * (3 - 2 * turned)
        step_px = self.body_length_px / (NUM_SPINE_POINTS - 1)
        trunk = int(np.searchsorted(along, PIVOT))  # its foremost point
        directions = 0.5 * (headings[:trunk] + headings[1 : trunk + 1])
        steps = step_px * _unit(directions)[::-1]
        spine[:trunk] = spine[trunk] + np.cumsum(steps, axis=0)[::-1]
        return spine, headings

    def _tail(
        self, walked_px: float, base: NDArray[np.float64], time_s: float
    ) -> NDArray[np.float64]:
        """Drag the tail along the path, with a bend and a travelling wave of its own."""
        along = np.linspace(0.0, 1.0, NUM_TAIL_POINTS)
        distance = self._behind_nose(walked_px, np.ones(1)) - along * self._tail_length_px
        wave = self._tail_wave.at(time_s) * np.sin(2 * np.pi * (along - 0.35 * time_s))
        headings = self._path.headings(distance) + self._tail_bend.at(time_s) * along + wave * along
        steps = -_unit(headings[:-1]) * self._tail_length_px / (NUM_TAIL_POINTS - 1)
        return np.concatenate([base[None], base + np.cumsum(steps, axis=0)])

    def _paw(self, name: str, walked_px: float) -> Paw:
        along, side, phase = PAWS[name]
        stride_px = STRIDE * self.body_length_px
        strides = walked_px / stride_px + phase
        step, part = np.divmod(strides, 1.0)
        # In the middle of its stance a paw is where the standing animal has it.
        middle_px = (np.array([step, step + 1]) + STANCE / 2 - phase) * stride_px
        distance = self._start_px + middle_px - along * self.body_length_px
        headings = self._path.headings(distance)
        to_right = np.stack([np.sin(headings), -np.cos(headings)], axis=-1)
        prints = self._path.points(distance) + side * self.body_length_px * to_right
        swing = max(0.0, (float(part) - STANCE) / (1.0 - STANCE))
        moved = swing**2 * (3 - 2 * swing)
        return Paw(
            centre=prints[0] + moved * (prints[1] - prints[0]),
            heading=float(headings[0] + moved * (headings[1] - headings[0])),
            lift=float(np.sin(np.pi * swing)),
        )


class _Bouts:
    """Walking and pausing by turns; the sequence repeats, the walk goes on.

    Every bout is a whole number of half strides from a moment when all four paws stand, so that
    a pausing mouse has no paw in the air.
    """

    def __init__(self, rng: np.random.Generator, step_px: float) -> None:
        walks = rng.random(NUM_BOUTS) < 0.7
        num_steps = rng.integers(2, 16, NUM_BOUTS)
        steps_per_s = rng.uniform(1.6, 4.6, NUM_BOUTS)
        still_s = rng.choice([0.3, 0.6, 1.2, 4.0], NUM_BOUTS, p=[0.4, 0.3, 0.2, 0.1])
        self._duration_s = np.where(walks, num_steps / steps_per_s, still_s)
        self._distance_px = np.where(walks, num_steps * step_px, 0.0)
        self._start_s = np.concatenate([[0.0], np.cumsum(self._duration_s)])
        self._start_px = np.concatenate([[0.0], np.cumsum(self._distance_px)])
        self._offset_s = float(rng.uniform(0.0, self._start_s[-1]))
        self._all_paws_stand_px = 0.1 * step_px

    def distance_px(self, time_s: float) -> float:
        rounds, around_s = divmod(time_s + self._offset_s, float(self._start_s[-1]))
        bout = min(int(np.searchsorted(self._start_s, around_s, side="right")) - 1, NUM_BOUTS - 1)
        part = (around_s - self._start_s[bout]) / self._duration_s[bout]
        walked = self._start_px[bout] + self._distance_px[bout] * _start_and_stop(part)
        return float(rounds * self._start_px[-1] + walked + self._all_paws_stand_px)


class _Wobble:
    """A slow, irregular, bounded function of time: three sines."""

    def __init__(
        self, rng: np.random.Generator, amplitude: float, slowest_hz: float, fastest_hz: float
    ) -> None:
        self._amplitude = amplitude * np.array([0.5, 0.3, 0.2])
        self._hz = rng.uniform(slowest_hz, fastest_hz, 3)
        self._phase = rng.uniform(0.0, 2 * np.pi, 3)

    def at(self, time_s: float) -> float:
        return float(self._amplitude @ np.sin(2 * np.pi * self._hz * time_s + self._phase))


def _start_and_stop(part: float) -> float:
    """Share of a walk covered after `part` of its time, with gentle first and last fifths."""
    ramp = 0.2
    if part < ramp:
        covered = part**2 / (2 * ramp)
    elif part < 1 - ramp:
        covered = part - ramp / 2
    else:
        covered = 1 - ramp - (1 - part) ** 2 / (2 * ramp)
    return covered / (1 - ramp)


def _unit(angle: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _along(spine: NDArray[np.float64], position: float) -> NDArray[np.float64]:
    """Find the point at `position` body lengths behind the nose tip."""
    where = np.linspace(0.0, 1.0, len(spine))
    return np.array(
        [np.interp(position, where, spine[:, 0]), np.interp(position, where, spine[:, 1])]
    )
