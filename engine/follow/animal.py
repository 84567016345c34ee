"""The animal as the poses so far show it: its place, its motion, the reach of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.follow.window import ANYWHERE, Region
from engine.pipeline.prediction import Look

LIKELY = 0.6
"""A body part of at least this likelihood is seen."""
_FOUND_SHARE = 0.5
"""Of the parts that are usually seen: with fewer, the animal is lost."""
_STILL_USUAL = 0.999
"""Of the usual number of seen parts, that is left after a frame."""
_STILL_FAST = 0.9
_FASTEST_GROWTH = 1.05
"""Of a reach from frame to frame: one wrong pose does not make a giant."""
_STILL_REACHED = 0.9998
_REACH_SPARE = 1.25
_ANY_REACH_SHARE = 0.5
"""Of the animal's size, that any two parts may be apart."""
_SLACK_PX = 4.0
_SLACK_SHARE, _SLACK_FRAMES = 0.2, 8
"""Of the way that the fastest part takes in as many frames, or more; in fewer it changes less."""
_LARGEST_STEP_SHARE = 0.35
"""Of the animal's size, from one frame to the next."""


@dataclass
class Animal:
    """The animal, as the poses so far show it."""

    position: NDArray[np.float64]
    """Shape (body parts, 2): x and y in pixels of the picture where each part was last seen; NaN
    where it never was."""
    age: NDArray[np.int64]
    """Shape (body parts,): frames since then; 0 for those seen in the newest frame."""
    velocity: NDArray[np.float64]
    """Shape (2,): pixels from one frame to the next, of the mean part."""
    speed: float
    """Pixels from one frame to the next of the fastest part, of late."""
    reach: NDArray[np.float64]
    """Shape (body parts, body parts): how far any two were apart; NaN where they were never seen
    together."""
    usual_num_seen: float
    """Number of parts that are seen when the animal is."""

    @classmethod
    def unknown(cls, num_body_parts: int) -> Animal:
        """Give what is known before the first frame."""
        return cls(
            position=np.full((num_body_parts, 2), np.nan),
            age=np.ones(num_body_parts, np.int64),
            velocity=np.zeros(2),
            speed=0.0,
            reach=np.full((num_body_parts, num_body_parts), np.nan),
            usual_num_seen=0.0,
        )

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """Which parts are likely in the newest frame."""
        return np.asarray(self.age == 0)

    @property
    def is_found(self) -> bool:
        """Whether enough of it is seen to follow it."""
        return self.is_enough(int(self.is_seen.sum()))

    def is_enough(self, num_seen: int) -> bool:
        """Whether the animal is found where so many parts are seen, of those that usually are."""
        return num_seen >= max(1.0, _FOUND_SHARE * self.usual_num_seen)

    @property
    def size_px(self) -> float:
        """The farthest that two parts were apart; 0 where none were seen together."""
        return float(np.fmax.reduce(self.reach, axis=None, initial=0.0))

    def after(self, pose: NDArray[np.float64]) -> Animal:
        """Learn from the next frame's pose: float64, shape (body parts, 3): x, y, likelihood."""
        is_seen = pose[:, 2] >= LIKELY
        is_both = is_seen & self.is_seen
        distance = np.where(is_seen[:, np.newaxis] & is_seen, _distances(pose[:, :2]), np.nan)
        # A reach grows slowly, and shrinks more slowly.
        shrunk, grown = _STILL_REACHED * self.reach, _FASTEST_GROWTH * self.reach
        reach = np.where(np.isnan(self.reach), distance, np.clip(distance, shrunk, grown))
        velocity, speed = np.zeros(2), _STILL_FAST * self.speed
        if is_both.any():
            steps = pose[is_both, :2] - self.position[is_both]
            velocity = steps.mean(axis=0)
            speed = max(speed, float(np.hypot(*steps.T).max()))
        return Animal(
            position=np.where(is_seen[:, np.newaxis], pose[:, :2], self.position),
            age=np.where(is_seen, 0, self.age + 1),
            velocity=velocity,
            speed=min(speed, _LARGEST_STEP_SHARE * self.size_px) if self.size_px else speed,
            reach=np.where(np.isnan(distance), self.reach, reach),
            usual_num_seen=max(float(is_seen.sum()), _STILL_USUAL * self.usual_num_seen),
        )

    def region(self, num_frames: int) -> Region | None:
        """Tell where the animal may be in any of the next `num_frames`; None for anywhere."""
        places = self.places_of_unseen(num_frames)
        if not self.is_found or places is None:
            return None
        seen = self.position[self.is_seen]
        low, high = np.minimum(places[0], seen.min(axis=0)), np.maximum(places[1], seen.max(axis=0))
        way = num_frames * self.velocity
        low, high = np.minimum(low, low + way), np.maximum(high, high + way)
        share = _SLACK_SHARE * min(num_frames / _SLACK_FRAMES, 1)
        slack = _SLACK_PX + share * num_frames * self.speed
        return Region(*(low - slack), *(high + slack))

    def places_of_unseen(
        self, num_frames: int = 0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Tell where the parts that are not seen can be, `num_frames` after the newest.

        They are no farther from those that are seen than they ever were, and no farther from where
        they were last seen than the fastest part would have come. Gives the least and the greatest
        x and y of all of them; infinities the wrong way round where all are seen. None where they
        may be anywhere.
        """
        unseen = ~self.is_seen
        if not unseen.any():
            return np.full(2, np.inf), np.full(2, -np.inf)
        if not self.is_seen.any() or not self.size_px:
            return None
        reach = np.where(np.isnan(self.reach), self.size_px, self.reach)
        radius = _SLACK_PX + _REACH_SPARE * reach[np.ix_(unseen, self.is_seen)]
        seen = self.position[self.is_seen]
        # Each is in the square around every part that is seen, and around its own last place.
        low = (seen - radius[..., np.newaxis]).max(axis=1)
        high = (seen + radius[..., np.newaxis]).min(axis=1)
        way = _SLACK_PX + (self.age[unseen, np.newaxis] + num_frames) * self.speed
        low = np.fmax(low, self.position[unseen] - way)  # NaN: it was never seen
        high = np.fmin(high, self.position[unseen] + way)
        # Squares that do not meet leave it open which of them is wrong.
        return np.minimum(low, high).min(axis=0), np.maximum(low, high).max(axis=0)

    def doubt(self, after: Animal, trusted: Region = ANYWHERE) -> Look | None:
        """Tell why a next pose, after which `after` is known, is in doubt; None for no reason.

        `trusted` is the region in which the window's poses can be believed.
        """
        if not self.is_enough(int(after.is_seen.sum())):
            return Look.LOST
        is_both = self.is_seen & after.is_seen
        steps = np.hypot(*(after.position[is_both] - self.position[is_both]).T)
        if self.size_px and np.any(steps > _SLACK_PX + _LARGEST_STEP_SHARE * self.size_px):
            return Look.JUMP
        seen = after.is_seen
        distance = _distances(after.position[seen])
        # Parts that were only seen near each other may go far apart: a hind paw and a fore paw.
        reach = np.maximum(self.reach[np.ix_(seen, seen)], _ANY_REACH_SHARE * self.size_px)
        is_torn = distance > _SLACK_PX + _REACH_SPARE * reach  # False where it is unknown (NaN)
        if is_torn.any():
            return Look.JUMP
        if not trusted.holds(after.position[seen]):
            return Look.EDGE
        places = after.places_of_unseen()
        if places is None or not (seen.all() or trusted.holds(np.stack(places))):
            return Look.UNSEEN
        return None


def _distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = points[:, np.newaxis] - points
    return np.asarray(np.hypot(steps[..., 0], steps[..., 1]))
