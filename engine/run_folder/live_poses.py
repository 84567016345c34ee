"""Poses of a live run, for a run of the recorded movie that fills in what it skipped."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.run_folder.journal import JournalCursor, read_journal
from readers import FrameBatch, FrameStatus
from sinks import ResourceHolder

_LENGTH = 4096


class LivePoses(ResourceHolder):
    """Gives frames the poses that a live run has estimated.

    A live run has no rows for the frames that its recorder lost: all others it has, in order, up
    to its own end.

    Parameters
    ----------
    path
        The live run's journal; without one, nothing is known.
    done_path, num_done
        The journal of the frames that are done, and how many of them there are.
    """

    def __init__(self, path: Path, done_path: Path, num_done: int) -> None:
        self._path = path
        self._done_path = done_path
        self._num_done = num_done
        self._num_left = 0

    def open(self, resources: ExitStack) -> None:
        """Open the journal, behind the frames that are done."""
        content = read_journal(self._path)
        if content is not None:
            self._cursor = resources.enter_context(JournalCursor(self._path))
            num_passed = min(self._num_recorded(), content.num_frames)
            self._cursor.skip(num_passed)
            self._num_left = content.num_frames - num_passed

    def _num_recorded(self) -> int:
        num_recorded = 0
        with JournalCursor(self._done_path) as done:
            for start in range(0, self._num_done, _LENGTH):
                status = done.read(min(_LENGTH, self._num_done - start)).status
                num_recorded += int((status != FrameStatus.DROPPED).sum())
        return num_recorded

    def fill(self, batch: FrameBatch, poses: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Write what is known of the next batch into `poses`; tell of which frames it is."""
        (recorded,) = np.nonzero(batch.status != FrameStatus.DROPPED)
        recorded = recorded[: self._num_left]
        is_known = np.zeros(len(batch), np.bool_)
        if len(recorded):
            rows = self._cursor.read(len(recorded))
            self._num_left -= len(recorded)
            # A frame that can be decoded now and could not then, or the other way, is not known.
            is_same = (rows.status == FrameStatus.DECODED) & (
                batch.status[recorded] == FrameStatus.DECODED
            )
            is_known[recorded[is_same]] = True
            poses[recorded[is_same]] = rows.poses[is_same]
        return is_known
