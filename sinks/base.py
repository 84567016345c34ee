"""The sink, the poses that it is given, their rows, and the simplest sink, which counts frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from readers import FrameBatch, FrameStatus, MovieInfo

MOST_RANGES = 100
Rows = NDArray[Any]
"""Frame indices, times, counters and poses of contiguous frames, in the fields of `RowBuffer`."""


@dataclass(frozen=True)
class PoseBatch:
    """Poses, with the frames they belong to.

    Attributes
    ----------
    frames
        The frames, cropped where a crop was asked for.
    poses
        float64, shape (frames, body parts, 3): x and y in pixels from the top left corner of the
        frames as they are here (so relative to the crop rectangle), and likelihood, 0-1. Where
        the frame has no picture, x and y are NaN and the likelihood is 0. `ValueError` for
        another shape.
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


class Sink(AbstractContextManager["Sink"], Protocol):
    """One kind of output for one movie.

    A sink is a context manager. It is given every batch of the movie once, in order, and keeps
    nothing of a batch once `write` has returned: the images' memory is used again. Its output
    appears under its final name when the block ends without an exception; with one, nothing does.
    """

    def write(self, batch: PoseBatch) -> None:
        """Take the next batch of the movie."""


class ResourceHolder(ABC):
    """A context manager over resources that are entered in order and unwound in reverse.

    `finish` comes first at the end of the block, unless the block raises.
    """

    @abstractmethod
    def open(self, resources: ExitStack) -> None:
        """Enter what is needed; if this raises, what was entered is unwound."""

    def finish(self) -> None:  # noqa: B027 -- for many there is nothing to do
        """Complete what the block has begun."""

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            self.open(resources)
            resources.enter_context(at_success(self.finish))
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._resources.__exit__(*error)


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


class RowBuffer:
    """Gathers the rows of batches, without their images, into chunks.

    Fields ``frame_index`` (int64), ``time_s``, ``hardware_counter_us`` and ``poses`` (float64),
    each as in `PoseBatch`. Chunks end at multiples of `chunk_length` rows, however the batches are
    cut, so that a file written chunk by chunk does not depend on the batch size.
    """

    def __init__(self, chunk_length: int) -> None:
        self._chunk_length = chunk_length
        self._chunk: Rows | None = None
        self._num_rows = 0

    def add(self, batch: PoseBatch) -> Iterator[Rows]:
        """Add a batch; yield the chunks that are full."""
        fields = [("frame_index", "i8"), ("time_s", "f8"), ("hardware_counter_us", "f8")]
        rows = np.empty(len(batch), [*fields, ("poses", "f8", batch.poses.shape[1:])])
        rows["frame_index"] = batch.frames.first_frame_index + np.arange(len(batch))
        rows["time_s"] = batch.frames.time_s
        rows["hardware_counter_us"] = batch.frames.hardware_counter_us
        rows["poses"] = batch.poses
        while len(rows):
            if self._chunk is None:
                self._chunk = np.empty(self._chunk_length, rows.dtype)
            part = rows[: self._chunk_length - self._num_rows]
            self._chunk[self._num_rows : self._num_rows + len(part)] = part
            self._num_rows += len(part)
            rows = rows[len(part) :]
            if self._num_rows == self._chunk_length:
                yield from self.rest()

    def rest(self) -> Iterator[Rows]:
        """Yield the rows that fill no chunk, if there are any."""
        chunk, num_rows = self._chunk, self._num_rows
        self._chunk, self._num_rows = None, 0
        if chunk is not None:
            yield chunk[:num_rows]


class FrameRanges:
    """Frames, `num_frames`, as ranges of contiguous ones.

    The first `MOST_RANGES` are in `ranges`, ascending, each as its first and last frame index;
    `num_left_out` is the number of those behind.
    """

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.num_left_out = 0
        self.num_frames = 0
        self._last: int | None = None

    def add(self, frame_indices: NDArray[np.int64]) -> None:
        """Add frames behind those before, int64, shape (frames,), ascending."""
        if not len(frame_indices):
            return
        self.num_frames += len(frame_indices)
        for run in np.split(frame_indices, np.flatnonzero(np.diff(frame_indices) > 1) + 1):
            first, last = int(run[0]), int(run[-1])
            goes_on = self._last is not None and first == self._last + 1
            self._last = last
            if goes_on and not self.num_left_out:
                self.ranges[-1] = (self.ranges[-1][0], last)
            elif not goes_on and len(self.ranges) < MOST_RANGES:
                self.ranges.append((first, last))
            elif not goes_on:
                self.num_left_out += 1


class FrameCounts:
    """A sink that writes nothing: it counts frames, and tells which have no pose.

    Of all frames, `num_frames`, the recorder lost those that are `dropped`, `undecodable` ones
    could not be decoded, and a live run did not look at those that are `skipped`.
    """

    def __init__(self) -> None:
        self.num_frames = 0
        self.dropped, self.undecodable, self.skipped = (FrameRanges() for _ in range(3))

    def __enter__(self) -> Self:
        return self

    def write(self, batch: PoseBatch) -> None:
        """Count the batch's frames."""
        self.num_frames += len(batch)
        for status in (FrameStatus.DROPPED, FrameStatus.UNDECODABLE, FrameStatus.SKIPPED):
            found = np.flatnonzero(batch.frames.status == status)
            ranges: FrameRanges = getattr(self, status.name.lower())
            ranges.add(batch.frames.first_frame_index + found)

    def __exit__(self, *_: object) -> None:
        pass
