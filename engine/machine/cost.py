"""The cost of work on frames, in time and processor time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """The cost of work on some frames.

    Attributes
    ----------
    num_frames
        Frames that were worked on, at least 1.
    wall_s
        Seconds on the clock, above 0.
    core_s
        Seconds of processor time, summed over all cores.
    """

    num_frames: int
    wall_s: float
    core_s: float

    @property
    def frames_per_s(self) -> float:
        """Frames per second on the clock."""
        return self.num_frames / self.wall_s

    @property
    def core_s_per_frame(self) -> float:
        """Seconds of processor time for a frame."""
        return self.core_s / self.num_frames

    def without(self, part: Cost) -> Cost:
        """Take off what `part` of the work costs for as many frames; nothing becomes negative."""
        frames = self.num_frames / part.num_frames
        return Cost(
            self.num_frames,
            max(self.wall_s - frames * part.wall_s, 1e-9),
            max(self.core_s - frames * part.core_s, 0.0),
        )


class Stopwatch:
    """Adds up time and processor time while it runs, of all threads of the process."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.core_s = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run within the block."""
        begun_s, begun_core_s = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall_s += time.perf_counter() - begun_s
            self.core_s += time.process_time() - begun_core_s

    def cost(self, num_frames: int) -> Cost:
        """Give the sums as the cost of so many frames."""
        return Cost(num_frames, max(self.wall_s, 1e-9), self.core_s)
