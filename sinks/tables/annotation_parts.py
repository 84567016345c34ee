"""Annotations that others can read while the run goes on, in parts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa

from readers import MovieInfo
from sinks.base import PoseBatch
from sinks.errors import output_errors
from sinks.files import flush_folder, held_folder
from sinks.tables.annotations import Annotations, MovieAnnotations, whole_table

_PART = re.compile(r"\.?part-[0-9]{6,}(\.partial)?\.(parquet|csv)", re.ASCII)


class AnnotationParts(Annotations):
    """The annotations of a run in many files, from its first movie to its last.

    The table of `ExperimentAnnotations`, cut into ``part-000000.parquet``, ``part-000001.parquet``
    and so on. A part appears as a whole and never changes; the first one has no rows, so that the
    columns are known at once. A new one is written when `every_s` have passed since the last, when
    8192 rows have come together, and at the end of each movie; only a `write` can do that, so that
    nothing new appears while no frames come. At any moment, ``pandas.read_parquet(folder)`` gives
    all rows so far in order, and so do the .csv parts in the order of their names, each of which
    has a header; temporary names begin with a dot, and are found by neither.

    Parts of a run before are removed on entering: one that is resumed writes all rows again. The
    parts stay where they are after an error.

    Parameters
    ----------
    folder
        Where the parts go; it is made if need be.
    kind
        The format, "parquet" or "csv".
    body_parts
        Names in the order of the poses.
    has_hardware_counter
        Whether the run's movies have counters.
    every_s
        Seconds that rows may be held back.
    clock_s
        Tells seconds that only go forward.

    Raises
    ------
    OutputError
        If the folder or a part cannot be written; a movie's part raises it, too.
    """

    def __init__(
        self,
        folder: Path,
        kind: str,
        *,
        body_parts: Sequence[str],
        has_hardware_counter: bool,
        every_s: float = 5.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(body_parts=body_parts, has_hardware_counter=has_hardware_counter)
        self._folder = folder
        self._kind = kind
        self._every_s = every_s
        self._clock_s = clock_s
        self._num_parts = 0

    def open(self, resources: ExitStack) -> None:
        """Begin with a part without rows."""
        with output_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            flush_folder(self._folder.parent)
            self._check_folder = resources.enter_context(held_folder(self._folder))
            for path in self._folder.iterdir():
                if _PART.fullmatch(path.name):
                    path.unlink()
        self.write_table(self._schema.empty_table())

    def movie(self, movie: MovieInfo) -> MovieAnnotations:
        """Make the sink of the run's next movie; enter it when the one before has ended."""
        return _MovieParts(self, movie)

    def write_table(self, table: pa.Table) -> None:
        """Write a part."""
        self._check_folder()
        path = self._folder / f"part-{self._num_parts:06d}.{self._kind}"
        with whole_table(path, self._schema) as append:
            append(table)
        self._num_parts += 1
        self._last_part_s = self._clock_s()

    def is_due(self) -> bool:
        """Tell whether rows have been held back long enough."""
        return self._clock_s() - self._last_part_s >= self._every_s


class _MovieParts(MovieAnnotations):
    """One movie's parts."""

    def __init__(self, parts: AnnotationParts, movie: MovieInfo) -> None:
        super().__init__(parts, movie)
        self._parts = parts

    def write(self, batch: PoseBatch) -> None:
        """Take the next batch."""
        super().write(batch)
        if self._parts.is_due():
            self.write_rest()
