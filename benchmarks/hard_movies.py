"""Generated movies that make it hard to follow an animal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import MouseMovie

Picture = NDArray[np.uint8]
_APART = 40
"""Frames from one event to the next."""


@dataclass(frozen=True)
class Stage:
    """An animal and its arena, as hard movies show them.

    Attributes
    ----------
    seed
        Of the animal and its arena.
    width, height
        Of the pictures in pixels.
    body_length
        As of `MouseMovie`.
    """

    seed: int
    width: int
    height: int
    body_length: float | None

    def movie(self, take: int = 0) -> MouseMovie:
        """Make a movie; other takes have another animal in another arena."""
        return MouseMovie(self.seed + take, self.width, self.height, body_length=self.body_length)


def walking(stage: Stage) -> Iterator[Picture]:
    """Show nothing but a mouse that walks."""
    movie = stage.movie()
    for index in range(1_000_000):
        yield movie.image(index)


def jumps(stage: Stage) -> Iterator[Picture]:
    """Have the mouse somewhere else every 40 frames: the recorder has lost some seconds."""
    movie = stage.movie()
    for index in range(1_000_000):
        yield movie.image(index + 173 * (index // _APART))


def cuts(stage: Stage) -> Iterator[Picture]:
    """Show every 40 frames another mouse in another arena."""
    movies = [stage.movie(take) for take in range(4)]
    for index in range(1_000_000):
        yield movies[index // _APART % len(movies)].image(index)


def occlusion(stage: Stage) -> Iterator[Picture]:
    """Build a roof across the arena, under which the mouse goes and comes out again."""
    movie = stage.movie()
    roof = slice(int(0.4 * stage.width), int(0.6 * stage.width))
    for index in range(1_000_000):
        picture = movie.image(3 * index)  # in haste, so that it goes there often
        picture[:, roof] = 90
        yield picture


def reflections(stage: Stage) -> Iterator[Picture]:
    """Let a paler mouse, mirrored, shine through the picture."""
    movie = stage.movie()
    for index in range(1_000_000):
        picture = movie.image(index).astype(np.float32)
        yield (0.8 * picture + 0.2 * picture[:, ::-1]).astype(np.uint8)


def leaving(stage: Stage) -> Iterator[Picture]:
    """Leave the arena empty for every other 40 frames; the mouse comes back somewhere else."""
    movie = stage.movie()
    empty = np.median([movie.image(211 * take) for take in range(15)], axis=0).astype(np.uint8)
    for index in range(1_000_000):
        is_gone = index // _APART % 2 == 1
        yield empty if is_gone else movie.image(index + 211 * (index // (2 * _APART)))


HARD_MOVIES: dict[str, Callable[[Stage], Iterator[Picture]]] = {
    movie.__name__: movie for movie in (walking, jumps, cuts, occlusion, reflections, leaving)
}
