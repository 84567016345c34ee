"""The status of a live run, in a file for other programs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from engine.run_folder.named_files import write_marked
from engine.watch.status import StatusSnapshot
from sinks import OutputError

MADE_BY = "live"
_INTERVAL_S = 1.0


class StatusFile:
    """Keeps a JSON file up to date, at most once a second; it is whole whenever it is read.

    It is not flushed to the disk: after a power cut it may be gone, and means nothing any more.

    Parameters
    ----------
    path
        The file. What stands there is replaced, if it is a file.
    warn
        Is told, in one line, that the file cannot be written any more: the run goes on.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._shown_s = -math.inf
        self._was_written = False
        self._is_failing = False

    def show(self, snapshot: StatusSnapshot) -> None:
        """Write the snapshot, unless the last one is younger than a second; the last one always.

        Raises
        ------
        OutputError
            If it cannot be written the first time; later that is warned of.
        """
        if snapshot.time_s - self._shown_s < _INTERVAL_S and not snapshot.is_over:
            return
        self._shown_s = snapshot.time_s
        try:
            write_marked(self._path, MADE_BY, snapshot.as_json())
        except OutputError as error:
            if not self._was_written:
                raise
            if not self._is_failing:
                self._is_failing = True
                self._warn(str(error))
        else:
            self._was_written, self._is_failing = True, False
