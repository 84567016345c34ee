"""The sink, the poses that it is given, and the blocks that it is open in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from readers import FrameBatch, MovieInfo


@dataclass(frozen=True)
class PoseBatch:
    """Poses, with the frames they belong to.

    Attributes
    ----------
    frames
        The frames, cropped where a crop was asked for.
    poses
        float64, shape (frames, body parts, 3): x and y in pixels from the top left corner of
        the frames as they are here (so relative to the crop rectangle), and likelihood, 0-1.
        Where the frame has no picture, x and y are NaN and the likelihood is 0.

    Raises
    ------
    ValueError
        If there are not as many poses as frames, or the last dimension is not 3.
    """

    frames: FrameBatch
    poses: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.poses.ndim != 3 or len(self.poses) != len(self.frames) or self.poses.shape[2] != 3:
            raise ValueError(
                f"poses must have shape ({len(self.frames)}, body parts, 3), got {self.poses.shape}"
            )

    def __len__(self) -> int:
        return len(self.frames)


class Sink(Protocol):
    """One kind of output for one movie.

    A sink is a context manager. It is given every batch of the movie once, in order, and keeps
    nothing of a batch once `write` has returned: the images' memory is used again. Its output
    appears under its final name when the block ends without an exception; with one, nothing does.
    """

    def __enter__(self) -> Self: ...

    def write(self, batch: PoseBatch) -> None:
        """Take the next batch of the movie."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class ResourceHolder(ABC):
    """A context manager over resources that are entered in order and unwound in reverse."""

    @abstractmethod
    def open(self, resources: ExitStack) -> None:
        """Enter what is needed; if this raises, what was entered is unwound."""

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            self.open(resources)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.__exit__(exc_type, exc, traceback)


class RunOutput(ResourceHolder):
    """An output over all movies of a run, open from the first to the last."""

    @abstractmethod
    def movie(self, movie: MovieInfo) -> Sink:
        """Make the sink of the run's next movie; enter it when the one before has ended."""


@contextmanager
def at_success(finish: Callable[[], None]) -> Iterator[None]:
    """Call `finish` at the end of the block, unless the block raises."""
    yield
    finish()
