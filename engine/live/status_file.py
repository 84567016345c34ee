"""How a live run is doing, for other programs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.live.status import StatusSnapshot
from sinks import OutputError, output_errors

_INTERVAL_S = 1.0


class StatusFile:
    """Keeps a JSON file up to date, at most once a second; whoever reads it finds it whole.

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
        self._temporary = path.with_name(f".{path.name}.partial")
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
            self._write(json.dumps(snapshot.as_json(), indent=1, allow_nan=False) + "\n")
        except OutputError as error:
            if not self._was_written:
                raise
            if not self._is_failing:
                self._is_failing = True
                self._warn(str(error))
        else:
            self._was_written, self._is_failing = True, False

    def _write(self, text: str) -> None:
        with output_errors(self._path):
            if self._path.exists() and not self._path.is_file():
                raise OSError("it exists and is not a file")  # a device or pipe would be replaced
            try:
                self._temporary.unlink(missing_ok=True)  # it may be a link that leads elsewhere
                with self._temporary.open("x", encoding="utf-8") as file:
                    file.write(text)
                self._temporary.replace(self._path)
            except BaseException:
                with suppress(OSError):  # what failed first is what matters
                    self._temporary.unlink()
                raise
