"""The journal of a live run becomes the one that a run of the recorded movie would have written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.pipeline.views import Look, new_looks
from engine.run_folder.journal import (
    Journal,
    JournalContent,
    JournalCursor,
    JournalRows,
    new_journal,
    read_journal,
)
from engine.run_folder.unfinished import UnfinishedRun
from readers import FrameBatch, FrameStatus, MovieInfo, open_movie
from readers.base import DecodedFrame
from readers.errors import joined
from readers.formats import format_named
from sinks import PoseBatch, keep_segments, whole_file

_LENGTH = 1024
_DURABLE_EVERY_FRAMES = 1_000_000


def settle_movies(
    folder: UnfinishedRun, movies: Sequence[MovieInfo], *, ends_at_skipped: bool
) -> None:
    """Settle the journals of a live run's movies, but for those that are settled already.

    Of their labelled movies, the segments stay whose frames still have the same indices.

    Parameters
    ----------
    folder
        Of the live run.
    movies
        As they are now that they are recorded.
    ends_at_skipped
        As in `settle`.

    Raises
    ------
    MovieError
        If a movie cannot be read.
    """
    for number, movie in enumerate(movies):
        live_path, path = folder.live_journal(number), folder.journal(number)
        live = read_journal(live_path)
        if live is None or read_journal(path) is not None:
            continue
        settled_path = path.with_suffix(".settled")
        with _times(movie) as times:
            num_unchanged = settle(
                live_path,
                live,
                settled_path,
                times,
                joined(movie.damage, live.damage),
                ends_at_skipped=ends_at_skipped,
            )
        folder.check_held()
        settled = read_journal(settled_path)
        if settled is None or not settled.is_ended or num_unchanged < settled.num_frames:
            for output in folder.outputs.kept(number):
                keep_segments(output, num_unchanged)
        settled_path.replace(path)


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


def settle(
    live_path: Path,
    live: JournalContent,
    path: Path,
    times: Iterator[DecodedFrame] | None,
    damage: str | None,
    *,
    ends_at_skipped: bool,
) -> int:
    """Write a journal with a live run's poses and the recorded movie's own times.

    While a movie is recorded nobody may know when its frames were taken, and which of them the
    recorder has lost: the first get their times and counters here, the others their rows. The
    journal appears whole or not at all.

    Parameters
    ----------
    live_path, live
        The live run's journal, and what it holds.
    path
        The journal to write.
    times
        Every frame of the recorded movie, from `MovieReader.times`; None where the live run knew
        as much itself, or the movie does not tell.
    damage
        What is wrong with the movie's file, for a journal that holds the whole movie.
    ends_at_skipped
        End before the first frame that was skipped, so that a run goes on from there.

    Returns
    -------
    int
        How many frames, from the first on, have the index that they had while they were recorded.
    """
    with whole_file(path) as temporary, JournalCursor(live_path) as cursor:
        rows = _SettledRows(cursor, live, times, ends_at_skipped=ends_at_skipped)
        with Journal(
            temporary,
            new_journal(live.num_body_parts, live.batch_size, has_looks=live.has_looks),
            durable_every_s=math.inf,
            durable_every_frames=_DURABLE_EVERY_FRAMES,
            damage=lambda: damage,
        ) as journal:
            for batch in rows.batches():
                journal.push(batch)
            if rows.are_whole:
                journal.flush()
    return rows.num_unchanged


@dataclass
class _SettledRows:
    """The rows of a settled journal, in order."""

    cursor: JournalCursor
    live: JournalContent
    times: Iterator[DecodedFrame] | None
    ends_at_skipped: bool = field(kw_only=True)
    are_whole: bool = field(default=False, init=False)
    num_unchanged: int = field(default=0, init=False)

    def batches(self) -> Iterator[PoseBatch]:
        num_frames, is_cut = 0, False
        self._num_left = self.live.num_frames
        are_unchanged = True
        for chunk in self._live_rows() if self.times is None else self._timed_rows(self.times):
            rows = chunk
            if self.ends_at_skipped:
                rows = rows.part(0, _first(rows, FrameStatus.SKIPPED))
            if are_unchanged:
                first_dropped = _first(rows, FrameStatus.DROPPED)
                self.num_unchanged += first_dropped
                are_unchanged = first_dropped == len(rows)
            if len(rows):
                yield _batch(rows, num_frames)
            num_frames += len(rows)
            is_cut = len(rows) < len(chunk)
            if is_cut:
                break
        is_at_end = self.times is None or next(self.times, None) is None
        self.are_whole = self.live.is_ended and not is_cut and not self._num_left and is_at_end

    def _live_rows(self) -> Iterator[JournalRows]:
        while self._num_left:
            yield self._read(min(_LENGTH, self._num_left))

    def _timed_rows(self, times: Iterator[DecodedFrame]) -> Iterator[JournalRows]:
        while frames := list(islice(times, _LENGTH)):
            is_dropped = np.array([frame.status == FrameStatus.DROPPED for frame in frames])
            recorded = np.flatnonzero(~is_dropped)
            if len(recorded) > self._num_left:  # frames that the live run never saw
                end = int(recorded[self._num_left])
                yield self._with_times(frames[:end], is_dropped[:end])
                self._num_left = -1
                return
            yield self._with_times(frames, is_dropped)

    def _with_times(self, frames: list[DecodedFrame], is_dropped: NDArray[np.bool_]) -> JournalRows:
        poses = np.full((len(frames), self.live.num_body_parts, 3), np.nan)
        poses[..., 2] = 0
        status = np.full(len(frames), FrameStatus.DROPPED, np.uint8)
        looks = new_looks(len(frames), Look.NOTHING) if self.live.has_looks else None
        if not is_dropped.all():
            rows = self._read(int((~is_dropped).sum()))
            poses[~is_dropped] = rows.poses
            status[~is_dropped] = rows.status
            if looks is not None:
                looks[~is_dropped] = rows.looks
        return JournalRows(
            np.array([frame.time_s for frame in frames], np.float64),
            np.array([frame.hardware_counter_us for frame in frames], np.float64),
            status,
            poses,
            looks,
        )

    def _read(self, num_rows: int) -> JournalRows:
        self._num_left -= num_rows
        return self.cursor.read(num_rows)


def _first(rows: JournalRows, status: FrameStatus) -> int:
    """Index of the first row of a status; the number of rows where there is none."""
    return int(next(iter(np.flatnonzero(rows.status == status)), len(rows)))


def _batch(rows: JournalRows, first_frame_index: int) -> PoseBatch:
    images = np.empty((len(rows), 0, 0, 3), np.uint8)
    frames = FrameBatch(
        first_frame_index, images, rows.time_s, rows.hardware_counter_us, rows.status
    )
    return rows.batch(frames)
