"""The part of a movie that a stopped run has done, read from the journal."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.pipeline.prediction import KnownFrames, Look, new_looks
from engine.run_folder.journal import (
    ROWS_AT_ONCE,
    Journal,
    JournalContent,
    JournalCursor,
    Rows,
    frames_of,
    read_journal,
)
from engine.run_folder.unfinished import UnfinishedRun
from readers import FrameBatch, FrameStatus, MovieInfo, MovieReader, open_movie
from readers.errors import joined
from readers.formats import format_named
from sinks import ResourceHolder, whole_file

if TYPE_CHECKING:  # a run of recorded movies does without
    from readers.live import LiveMovie

MovieSource: TypeAlias = "MovieReader | LiveMovie"
"""A reader of frames, of a recorded movie or of one that is being recorded."""


class ReplayedReader(ResourceHolder):
    """Gives a movie's frames: first those of the journal, with their poses, then the movie's.

    Pictures are read again from the first that the model or the labelled movie needs; before,
    batches have images of the shape (frames, 0, 0, 3).

    Parameters
    ----------
    folder, number
        The run's, and the movie's number within the run.
    journal
        The content of the journal, which may grow meanwhile.
    reader
        At the movie's first frame; a recorded movie is opened if it is needed.
    num_drawn
        Tells how many frames a labelled movie has; infinity where it is done.
    fills
        Whether frames that a live run has skipped are looked at now; what is drawn from the first
        of them on is removed.
    """

    def __init__(
        self,
        folder: UnfinishedRun,
        number: int,
        journal: JournalContent,
        reader: MovieSource,
        num_drawn: Callable[[int], float],
        *,
        fills: bool,
    ) -> None:
        self._journal, self._reader = journal, reader
        self._path = path = folder.journal(number)
        num_frames = num_kept = journal.num_frames
        if fills:
            num_kept = next(frames_of(path, num_frames, FrameStatus.SKIPPED), num_frames)
        self._fills = num_kept < num_frames
        if self._fills:
            folder.keep_drawn(number, num_kept)
        num_kept = int(min(num_drawn(number), num_kept))
        self._needs_movie = num_kept < num_frames or not journal.is_ended
        self._first_picture = num_frames
        if self._needs_movie:
            # A frame without a picture is drawn on the last picture before it: begin with that.
            decoded = deque(frames_of(path, num_kept, FrameStatus.DECODED), maxlen=1)
            self._first_picture = decoded[0] if decoded else 0
        self._next_frame_index = 0

    def open(self, resources: ExitStack) -> None:
        """Open the journal, and the movie if it is needed."""
        if self._needs_movie and isinstance(self._reader, MovieReader):
            resources.enter_context(self._reader)
        self._cursor = resources.enter_context(JournalCursor(self._path))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the movie's images."""
        return self._reader.image_shape

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        """Give the next frames; see `MovieReader.read`.

        Raises a `RunError` if the movie does not hold what it held when it was read before.
        """
        index, num_known = self._next_frame_index, self._journal.num_frames
        batch: FrameBatch | None = None
        if index < self._first_picture:
            num_frames = min(ROWS_AT_ONCE, self._first_picture - index)
            rows = self._cursor.read(num_frames)
            if self._needs_movie and self._reader.skip(num_frames) < num_frames:
                raise self._changed()
            batch = KnownFrames(
                first_frame_index=index,
                images=np.empty((num_frames, 0, 0, 3), np.uint8),
                status=rows["status"].copy(),
                is_known=np.ones(num_frames, np.bool_),
                **_known_columns(rows),
            )
        elif index < num_known:
            batch = self._read_again(images[: num_known - index])
        elif not self._journal.is_ended:
            batch = self._reader.read(images)
        self._next_frame_index += 0 if batch is None else len(batch)
        return batch

    def _read_again(self, images: NDArray[np.uint8]) -> KnownFrames:
        batch = self._reader.read(images)
        if batch is None:
            raise self._changed()
        rows = self._cursor.read(len(batch))
        is_skipped = rows["status"] == FrameStatus.SKIPPED
        if not self._fills:
            # Whether a frame was skipped says nothing of it, and times say nothing of one that is
            # being recorded; a live run has times of arrival where the file tells none.
            is_same = (batch.status == rows["status"]) | is_skipped
            is_same |= batch.status == FrameStatus.SKIPPED
            if batch.arrival_time_s is None:
                is_same &= np.isnan(batch.time_s) | (batch.time_s == rows["time_s"])
            if not is_same.all():
                raise self._changed()
        is_known = ~(is_skipped & self._fills)
        is_read = (batch.status == FrameStatus.SKIPPED) | ~is_known
        status = np.where(is_read, batch.status, rows["status"])
        known = {"status": status, "is_known": is_known, **_known_columns(rows)}
        return KnownFrames(**{**vars(batch), **known})

    def _changed(self) -> RunError:
        return RunError(
            f"{self._reader.info.path}: near frame {self._next_frame_index} it holds other frames "
            "than when this run read it before"
        )


def _known_columns(rows: Rows) -> dict[str, Any]:
    """Give times and poses of a journal's rows, and how their frames were looked at."""
    return {name: rows[name].copy() for name in rows.dtype.names or () if name != "status"}


def join_times(folder: UnfinishedRun, number: int, movie: MovieInfo) -> None:
    """Complete a live run's journal: the recorded movie's times, and rows for dropped frames.

    While a movie is recorded it may not be known when its frames were taken, and which of them the
    recorder has lost. The journal changes as a whole or not at all; of the labelled movie, what is
    drawn of frames that still have the same indices is kept. The journal of a run that was not live
    stays as it is.

    Raises a `MovieError` if the movie cannot be read.
    """
    path = folder.journal(number)
    live = read_journal(path)
    if live is None or not live.is_live:
        return
    content = JournalContent(live.num_body_parts, live.batch_size, live.has_looks)
    with whole_file(path) as temporary:
        journal = Journal(
            temporary,
            content,
            durable_every_s=math.inf,
            durable_every_frames=2**40,
            damage=lambda: joined(movie.damage, live.damage),
        )
        with JournalCursor(path) as cursor, journal:
            if _append_rows(journal, cursor, live, movie):
                journal.flush()
        folder.check_held()
        joint = read_journal(temporary) or content
        dropped = frames_of(temporary, joint.num_frames, FrameStatus.DROPPED)
        num_kept = next(dropped, joint.num_frames)
        dropped.close()  # the file, which gets another name
        if num_kept < joint.num_frames or not joint.is_ended:
            folder.keep_drawn(number, num_kept)


def _append_rows(
    journal: Journal, cursor: JournalCursor, live: JournalContent, movie: MovieInfo
) -> bool:
    """Write rows up to the first frame that the live run has not seen; tell if they are all."""
    num_left = live.num_frames
    # Only these tell more than was known live: an .isxb its counters, an .avi which frames were
    # dropped.
    if not (format_named(movie.format).tells_dropped and movie.times_are_known):
        for start in range(0, num_left, ROWS_AT_ONCE):
            journal.append(cursor.read(min(ROWS_AT_ONCE, num_left - start)))
        return live.is_ended
    with open_movie(movie) as reader:
        times = reader.times()
        while frames := list(islice(times, ROWS_AT_ONCE)):
            recorded = [i for i, frame in enumerate(frames) if frame.status != FrameStatus.DROPPED]
            are_seen = len(recorded) <= num_left
            if not are_seen:
                frames, recorded = frames[: recorded[num_left]], recorded[:num_left]
            rows = live.empty_rows(len(frames))
            rows["status"] = FrameStatus.DROPPED
            rows["poses"] = np.nan, np.nan, 0
            if live.has_looks:
                rows["looks"] = new_looks(len(frames), Look.NOTHING)
            if recorded:
                rows[recorded] = cursor.read(len(recorded))
            for name in ("time_s", "hardware_counter_us"):
                rows[name] = [getattr(frame, name) for frame in frames]
            if frames:
                journal.append(rows)
            num_left -= len(recorded)
            if not are_seen:
                return False
    return live.is_ended and not num_left
