"""The part of a movie that a stopped run has done, read from the journal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.pipeline.prediction import KnownFrames, Look, new_looks
from engine.run_folder.journal import Journal, JournalContent, JournalCursor, Rows, read_journal
from engine.run_folder.unfinished import UnfinishedRun
from readers import FrameBatch, FrameStatus, MovieInfo, MovieReader, open_movie
from readers.base import DecodedFrame
from readers.errors import joined
from readers.formats import format_named
from sinks import ResourceHolder, whole_file

if TYPE_CHECKING:  # a run of recorded movies does without
    from readers.live import LiveMovie

_LENGTH = 1024
"""Frames a batch where no pictures are needed."""
MovieSource: TypeAlias = "MovieReader | LiveMovie"
"""A reader of frames, of a recorded movie or of one that is being recorded."""


@dataclass(frozen=True)
class Replay:
    """The plan for going on with a movie.

    Attributes
    ----------
    journal
        What was done.
    first_picture
        The first frame whose picture is needed again: for the labelled movie, or for the model.
    first_skipped
        The first frame that a live run has skipped and that is to be looked at now; the number of
        frames in the journal where there is none.
    """

    journal: JournalContent
    first_picture: int
    first_skipped: int

    @property
    def needs_movie(self) -> bool:
        """Whether the movie has to be read again at all."""
        return not (self.journal.is_ended and self.first_picture == self.journal.num_frames)

    @property
    def fills(self) -> bool:
        """Whether there are skipped frames to be looked at."""
        return self.first_skipped < self.journal.num_frames


def plan_replay(
    folder: UnfinishedRun,
    number: int,
    journal: JournalContent,
    num_drawn: Callable[[int], float],
    *,
    fills: bool,
) -> Replay:
    """Find how to go on with a movie.

    Parameters
    ----------
    folder
        Of the run. From frames that are to be looked at now, nothing drawn is kept there.
    number, journal
        The movie's number within the run, and what its journal holds.
    num_drawn
        Tells how many frames a labelled movie has; infinity where it is done.
    fills
        Whether the movie may have frames that a live run has skipped and that are to be looked at.
    """
    path, num_frames = folder.journal(number), journal.num_frames
    first_skipped = _first(path, num_frames, FrameStatus.SKIPPED) if fills else num_frames
    if first_skipped < num_frames:
        folder.keep_drawn(number, first_skipped)
    num_kept = int(min(num_drawn(number), first_skipped))
    if num_kept == num_frames and journal.is_ended:
        return Replay(journal, num_frames, first_skipped)
    # A frame without a picture is drawn on the last picture before it: begin with that one.
    first_picture = 0
    for start, status in _statuses(path, num_kept):
        (decoded,) = np.nonzero(status == FrameStatus.DECODED)
        if len(decoded):
            first_picture = start + int(decoded[-1])
    return Replay(journal, first_picture, first_skipped)


def _first(path: Path, num_frames: int, sought: FrameStatus) -> int:
    """Find the first frame of a status; give the number of frames where there is none."""
    for start, status in _statuses(path, num_frames):
        (found,) = np.nonzero(status == sought)
        if len(found):
            return start + int(found[0])
    return num_frames


def _statuses(path: Path, num_frames: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the statuses of the first frames of a journal, and the index of each first one."""
    if num_frames:
        with JournalCursor(path) as cursor:
            for start in range(0, num_frames, _LENGTH):
                yield start, cursor.read(min(_LENGTH, num_frames - start))["status"]


class ReplayedReader(ResourceHolder):
    """Gives a movie's frames: first those of the journal, with their poses, then the movie's.

    Pictures are read from `Replay.first_picture` on; before, batches have images of the shape
    (frames, 0, 0, 3).

    Parameters
    ----------
    replay
        How to go on.
    path
        The journal, which may grow meanwhile.
    reader
        At the movie's first frame; not open where the movie is not needed.
    """

    def __init__(self, replay: Replay, path: Path, reader: MovieSource) -> None:
        self._replay = replay
        self._path = path
        self._reader = reader
        self._next_frame_index = 0

    def open(self, resources: ExitStack) -> None:
        """Open the journal."""
        self._cursor = resources.enter_context(JournalCursor(self._path))

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

    def _replayed(self, num_frames: int) -> KnownFrames:
        rows = self._cursor.read(num_frames)
        if self._replay.needs_movie and self._reader.skip(num_frames) < num_frames:
            raise self._changed()
        images = np.empty((num_frames, 0, 0, 3), np.uint8)
        columns = (rows[name] for name in ("time_s", "hardware_counter_us", "status"))
        frames = FrameBatch(self._next_frame_index, images, *columns)
        return _known(frames, rows, rows["status"].copy(), np.ones(num_frames, np.bool_))

    def _read_again(self, images: NDArray[np.uint8]) -> KnownFrames:
        batch = self._reader.read(images)
        if batch is None:
            raise self._changed()
        rows, fills = self._cursor.read(len(batch)), self._replay.fills
        if not (fills or _agree(batch, rows["time_s"], rows["status"])):
            raise self._changed()
        is_known = np.full(len(batch), not fills) | (rows["status"] != FrameStatus.SKIPPED)
        is_read = (batch.status == FrameStatus.SKIPPED) | ~is_known
        return _known(batch, rows, np.where(is_read, batch.status, rows["status"]), is_known)

    def _changed(self) -> RunError:
        return RunError(
            f"{self._reader.info.path}: near frame {self._next_frame_index} it holds other frames "
            "than when this run read it before"
        )


def _known(
    frames: FrameBatch, rows: Rows, status: NDArray[np.uint8], is_known: NDArray[np.bool_]
) -> KnownFrames:
    """Give frames the times and poses of a journal's rows."""
    names = {"time_s", "hardware_counter_us", "poses", "looks"} & {*(rows.dtype.names or ())}
    columns = {name: rows[name].copy() for name in names}
    return KnownFrames(**{**vars(frames), **columns, "status": status, "is_known": is_known})


def _agree(batch: FrameBatch, time_s: NDArray[np.float64], status: NDArray[np.uint8]) -> bool:
    """Tell whether frames can be those of a journal's rows.

    Whether a frame was skipped says nothing of the frame, and times say nothing of one that is
    being recorded.
    """
    is_comparable = (batch.status != FrameStatus.SKIPPED) & (status != FrameStatus.SKIPPED)
    has_same_status = np.array_equal(batch.status[is_comparable], status[is_comparable])
    if batch.arrival_time_s is not None:
        return has_same_status
    is_told = ~np.isnan(batch.time_s)  # a live run has times of arrival where the file tells none
    return has_same_status and np.array_equal(batch.time_s[is_told], time_s[is_told])


def join_times(folder: UnfinishedRun, number: int, movie: MovieInfo) -> None:
    """Complete a live run's journal: the recorded movie's times, and rows for dropped frames.

    While a movie is recorded it may not be known when its frames were taken, and which of them the
    recorder has lost. The journal changes as a whole or not at all; of the labelled movie, what is
    drawn of frames that still have the same indices is kept.

    Parameters
    ----------
    folder
        Of the live run, whose journal is as any other afterwards.
    number, movie
        The movie, as it is now that it is recorded, and its number within the run.

    Raises
    ------
    MovieError
        If the movie cannot be read.
    """
    path = folder.journal(number)
    live = read_journal(path)
    if live is None or not live.is_live:
        return
    content = JournalContent(live.num_body_parts, live.batch_size, live.has_looks)
    with whole_file(path) as temporary:
        with (
            JournalCursor(path) as cursor,
            _times(movie) as times,
            Journal(
                temporary,
                content,
                durable_every_s=math.inf,
                durable_every_frames=2**40,
                damage=lambda: joined(movie.damage, live.damage),
            ) as journal,
        ):
            if _append_rows(journal, cursor, live, times):
                journal.flush()
        folder.check_held()
        joint = read_journal(temporary) or content
        dropped = _first(temporary, joint.num_frames, FrameStatus.DROPPED)
        if dropped < joint.num_frames or not joint.is_ended:
            folder.keep_drawn(number, dropped)


@contextmanager
def _times(movie: MovieInfo) -> Iterator[Iterator[DecodedFrame] | None]:
    """Give the times of a movie's frames where its file tells more than was known live.

    An .isxb has its counters, an .avi which frames were dropped.
    """
    if not format_named(movie.format).tells_dropped or not movie.times_are_known:
        yield None
        return
    with open_movie(movie) as reader:
        yield reader.times()


def _append_rows(
    journal: Journal,
    cursor: JournalCursor,
    live: JournalContent,
    times: Iterator[DecodedFrame] | None,
) -> bool:
    """Write rows up to the first frame that the live run has not seen; tell if they are all."""
    num_left = live.num_frames
    if times is None:
        for start in range(0, num_left, _LENGTH):
            journal.append(cursor.read(min(_LENGTH, num_left - start)))
        return live.is_ended
    while frames := list(islice(times, _LENGTH)):
        recorded = [i for i, frame in enumerate(frames) if frame.status != FrameStatus.DROPPED]
        are_seen = len(recorded) <= num_left
        if not are_seen:
            frames, recorded = frames[: recorded[num_left]], recorded[:num_left]
        rows = _dropped_rows(live, frames)
        if recorded:
            seen = cursor.read(len(recorded))
            for name in set(rows.dtype.names or ()) - {"time_s", "hardware_counter_us"}:
                rows[name][recorded] = seen[name]
        if frames:
            journal.append(rows)
        num_left -= len(recorded)
        if not are_seen:
            return False
    return live.is_ended and not num_left


def _dropped_rows(content: JournalContent, frames: list[DecodedFrame]) -> Rows:
    rows = content.empty_rows(len(frames))
    rows["time_s"] = [frame.time_s for frame in frames]
    rows["hardware_counter_us"] = [frame.hardware_counter_us for frame in frames]
    rows["status"] = FrameStatus.DROPPED
    rows["poses"] = np.nan, np.nan, 0
    if content.has_looks:
        rows["looks"] = new_looks(len(frames), Look.NOTHING)
    return rows
