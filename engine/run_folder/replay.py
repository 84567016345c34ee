"""The part of a movie that a stopped run has done: it comes from the journal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.pipeline.pipeline import FrameSource, PredictionStage
from engine.run_folder.journal import JournalContent, JournalCursor, JournalRows
from readers import FrameBatch, FrameStatus, MovieInfo
from sinks import PoseBatch

_LENGTH = 1024
"""Frames a batch where no pictures are needed."""


@dataclass(frozen=True)
class Replay:
    """How a run goes on with a movie.

    Attributes
    ----------
    journal
        What was done.
    first_picture
        The first frame whose picture is needed again: for the labelled movie, or for the model.
    """

    journal: JournalContent
    first_picture: int

    @property
    def needs_movie(self) -> bool:
        """Whether the movie has to be read again at all."""
        return not (self.journal.is_ended and self.first_picture == self.journal.num_frames)


def plan_replay(path: Path, journal: JournalContent, num_drawn: float) -> Replay:
    """Find how to go on with a movie.

    Parameters
    ----------
    path
        The journal.
    journal
        What it holds.
    num_drawn
        Frames that the labelled movie has; infinity where it is done.
    """
    if journal.is_ended and num_drawn >= journal.num_frames:
        return Replay(journal, journal.num_frames)
    # A frame without a picture is drawn on the last picture before it: begin with that one.
    first_picture, end = 0, int(min(num_drawn, journal.num_frames))
    if end == 0:
        return Replay(journal, first_picture)
    with JournalCursor(path) as cursor:
        for start in range(0, end, _LENGTH):
            status = cursor.read(min(_LENGTH, end - start)).status
            (decoded,) = np.nonzero(status == FrameStatus.DECODED)
            if len(decoded):
                first_picture = start + int(decoded[-1])
    return Replay(journal, first_picture)


class MovieSource(FrameSource, Protocol):
    """A movie that can be passed over in part."""

    @property
    def info(self) -> MovieInfo:
        """What is known about the movie."""

    def skip(self, num_frames: int) -> int:
        """Pass over the next frames; tell how many there were."""


class ReplayedReader:
    """Gives a movie's frames: first those of the journal, then those of the movie.

    Pictures are read from `Replay.first_picture` on; before, batches have images of the shape
    (frames, 0, 0, 3).

    Parameters
    ----------
    replay
        How to go on.
    cursor
        At the journal's first row.
    reader
        At the movie's first frame; not open where the movie is not needed.
    """

    def __init__(
        self,
        replay: Replay,
        cursor: JournalCursor,
        reader: MovieSource,
    ) -> None:
        self._replay = replay
        self._cursor = cursor
        self._reader = reader
        self._next_frame_index = 0

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the movie's images."""
        return self._reader.image_shape

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        """Give the next frames; see `MovieReader.read`.

        Raises
        ------
        RunError
            If the movie does not hold what it held when it was read before.
        """
        index = self._next_frame_index
        num_known = self._replay.journal.num_frames
        batch: FrameBatch | None
        if index < self._replay.first_picture:
            batch = self._replayed(min(_LENGTH, self._replay.first_picture - index))
        elif index < num_known:
            batch = self._read_again(images[: num_known - index])
        elif self._replay.journal.is_ended:
            batch = None
        else:
            batch = self._reader.read(images)
        self._next_frame_index += 0 if batch is None else len(batch)
        return batch

    def _replayed(self, num_frames: int) -> FrameBatch:
        rows = self._cursor.read(num_frames)
        if self._replay.needs_movie and self._reader.skip(num_frames) < num_frames:
            raise self._changed()
        return FrameBatch(
            self._next_frame_index,
            np.empty((num_frames, 0, 0, 3), np.uint8),
            rows.time_s,
            rows.hardware_counter_us,
            rows.status,
        )

    def _read_again(self, images: NDArray[np.uint8]) -> FrameBatch:
        batch = self._reader.read(images)
        if batch is None:
            raise self._changed()
        rows = self._cursor.read(len(batch))
        if not _agree(batch, rows):
            raise self._changed()
        skipped_now = batch.status == FrameStatus.SKIPPED
        return replace(
            batch,
            time_s=rows.time_s,
            hardware_counter_us=rows.hardware_counter_us,
            status=np.where(skipped_now, batch.status, rows.status),
        )

    def _changed(self) -> RunError:
        return RunError(
            f"{self._reader.info.path}: near frame {self._next_frame_index} it holds other frames "
            "than when this run read it before"
        )


def _agree(batch: FrameBatch, rows: JournalRows) -> bool:
    """Tell whether frames can be those of a journal's rows.

    Whether a frame was skipped says nothing of the frame, and times say nothing of one that is
    being recorded.
    """
    is_comparable = (batch.status != FrameStatus.SKIPPED) & (rows.status != FrameStatus.SKIPPED)
    has_same_status = np.array_equal(batch.status[is_comparable], rows.status[is_comparable])
    if batch.arrival_time_s is not None:
        return has_same_status
    return has_same_status and np.array_equal(batch.time_s, rows.time_s, equal_nan=True)


class RecallingStage(PredictionStage, Protocol):
    """A prediction for which the poses so far may matter."""

    def recall(self, batch: PoseBatch) -> None:
        """Learn from the next batch, which an earlier run has done."""


class ReplayedPrediction:
    """Gives the journal's poses to the frames that it holds, and the model's to the others."""

    def __init__(
        self, prediction: RecallingStage, cursor: JournalCursor, num_known_frames: int
    ) -> None:
        self._prediction = prediction
        self._cursor = cursor
        self._num_known_frames = num_known_frames

    def push(self, batch: FrameBatch) -> list[PoseBatch]:
        """Take the next batch; return those whose poses are there, in order."""
        if batch.first_frame_index < self._num_known_frames:
            known = self._cursor.read(len(batch)).batch(batch)
            self._prediction.recall(known)
            return [known]
        return self._prediction.push(batch)

    def flush(self) -> list[PoseBatch]:
        """Return the batches that are left at the end of the movie."""
        return self._prediction.flush()
