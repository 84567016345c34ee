"""Experiment annotations: one table of poses for all movies of a run, .parquet or .csv."""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from readers import MovieInfo
from sinks.base import PoseBatch, ResourceHolder, RowBuffer, Rows, RunOutput
from sinks.files import closed_at_end, flush_folder, held_folder, output_errors, whole_file

_FORMULA_STARTS = ("'", "=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings of cells that some spreadsheet computes, the last four in wide letters. The first
is the mark of text."""
_CHUNK_LENGTH = 8192
"""Rows of a row group. The writer keeps some 300 bytes of each group and column."""
_PART = re.compile(r"\.?part-[0-9]{6,}(\.partial)?\.(parquet|csv)", re.ASCII)


class Annotations(RunOutput):
    """The annotations of a run, from its first movie to its last.

    Columns ``Frame number`` (over all movies), ``Movie number``, ``Local frame number``, ``Time
    since start (s)``, ``Hardware counter (us)`` (only for .isxb; empty for dropped frames), then
    x, y and likelihood of each body part. A movie's time starts at the previous movie's last time
    plus the previous movie's frame period. It raises `OutputError`, and so does a movie's sink.
    """

    def __init__(self, *, body_parts: Sequence[str], has_hardware_counter: bool) -> None:
        self._has_hardware_counter = has_hardware_counter
        numbers = ["Frame number", "Movie number", "Local frame number"]
        fields = [(name, pa.int64()) for name in numbers]
        fields.append(("Time since start (s)", pa.float64()))
        if has_hardware_counter:
            fields.append(("Hardware counter (us)", pa.int64()))
        for part in body_parts:
            fields += [(f"{part} {name}", pa.float64()) for name in ("x", "y", "likelihood")]
        self._schema = pa.schema(fields)
        self._num_movies = 0
        self._num_frames = 0
        self._start_s = 0.0

    @abstractmethod
    def write_table(self, table: pa.Table) -> None:
        """Write rows of the schema."""

    def is_due(self) -> bool:
        """Tell whether rows that are held back must be written now."""
        return False

    def movie(self, movie: MovieInfo) -> MovieAnnotations:
        """Make the sink of the run's next movie."""
        return MovieAnnotations(self, movie)

    def append(self, chunks: Iterable[Rows]) -> None:
        """Write chunks of rows of the movie that is open."""
        for rows in chunks:
            columns = [
                rows["frame_index"] + self._num_frames,
                np.full(len(rows), self._num_movies),
                rows["frame_index"],
                rows["time_s"] + self._start_s,
            ]
            if self._has_hardware_counter:
                missing = np.isnan(rows["hardware_counter_us"])
                counters = np.where(missing, 0, rows["hardware_counter_us"]).astype(np.int64)
                columns.append(pa.array(counters, mask=missing))
            columns += list(rows["poses"].reshape(len(rows), -1).T)
            self.write_table(pa.table(columns, schema=self._schema))

    def end_movie(self, num_frames: int, end_s: float) -> None:
        """Say how long the movie was, for the numbers and times of the next one."""
        self._num_movies += 1
        self._num_frames += num_frames
        self._start_s += end_s


class MovieAnnotations(ResourceHolder):
    """The sink of one movie's annotations."""

    def __init__(self, annotations: Annotations, movie: MovieInfo) -> None:
        self._annotations = annotations
        self._period_s = float(movie.frame_period_s)
        self._rows = RowBuffer(_CHUNK_LENGTH)
        self._num_frames = 0
        self._end_s = 0.0

    def open(self, resources: ExitStack) -> None:
        """Do nothing: what is written to is open over all movies."""

    def write(self, batch: PoseBatch) -> None:
        """Take the next batch."""
        self._num_frames += len(batch)
        self._end_s = float(batch.frames.time_s[-1]) + self._period_s
        self._annotations.append(self._rows.add(batch))
        if self._annotations.is_due():
            self._annotations.append(self._rows.rest())

    def finish(self) -> None:
        """Write the last rows."""
        self._annotations.append(self._rows.rest())
        self._annotations.end_movie(self._num_frames, self._end_s)


class ExperimentAnnotations(Annotations):
    """The annotations in one file, whose suffix, .parquet or .csv, chooses the format."""

    def __init__(
        self, path: Path, *, body_parts: Sequence[str], has_hardware_counter: bool
    ) -> None:
        super().__init__(body_parts=body_parts, has_hardware_counter=has_hardware_counter)
        self._path = path

    def open(self, resources: ExitStack) -> None:
        """Open the file."""
        self._append_table = resources.enter_context(_whole_table(self._path, self._schema))

    def write_table(self, table: pa.Table) -> None:
        """Append rows to the file."""
        self._append_table(table)


class AnnotationParts(Annotations):
    """The annotations in many files, which others can read while the run goes on.

    The table of `ExperimentAnnotations`, cut into ``part-000000.parquet``, ``part-000001.parquet``
    and so on. A part appears as a whole and never changes; the first one has no rows, so that the
    columns are known at once. A `write` makes a new one when `every_s` have passed since the last,
    or 8192 rows have come together, and so does the end of a movie. At any moment,
    ``pandas.read_parquet(folder)`` gives all rows so far in order, and so do the .csv parts, each
    with a header, in the order of their names; temporary names begin with a dot.

    The folder is made if need be; the kind is "parquet" or "csv". Parts of a run before are removed
    on entering: one that is resumed writes all rows again. The parts stay after an error.
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
        self._folder, self._kind = folder, kind
        self._every_s, self._clock_s = every_s, clock_s
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

    def write_table(self, table: pa.Table) -> None:
        """Write a part."""
        self._check_folder()
        path = self._folder / f"part-{self._num_parts:06d}.{self._kind}"
        with _whole_table(path, self._schema) as append:
            append(table)
        self._num_parts += 1
        self._last_part_s = self._clock_s()

    def is_due(self) -> bool:
        """Tell whether rows have been held back long enough."""
        return self._clock_s() - self._last_part_s >= self._every_s


@contextmanager
def _whole_table(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that appends to a table, which appears at the end of the block."""
    with ExitStack() as resources:
        temporary = resources.enter_context(whole_file(path))
        with output_errors(path):
            # Given a name, pyarrow would look for a file system in it ("mouse:1").
            file = temporary.open("wb")
            resources.enter_context(closed_at_end(file.close, path))
            if path.suffix == ".parquet":
                writer = pq.ParquetWriter(file, schema)
                resources.enter_context(closed_at_end(writer.close, path))
                write_table = writer.write_table
            else:
                write_table = partial(write_csv, file)
                write_table(schema.empty_table(), csv_header(schema.names))

        def write(table: pa.Table) -> None:
            with output_errors(path):
                write_table(table)

        yield write


def write_csv(file: IO[bytes], table: pa.Table, header: Sequence[str] = ()) -> None:
    """Write numbers as pandas does: the shortest digits that read back the same."""
    frame = table.to_pandas(integer_object_nulls=True)
    frame.to_csv(file, index=False, header=list(header) or False, lineterminator="\n")


def csv_header(names: Sequence[str]) -> list[str]:
    """Put an apostrophe, a spreadsheet's mark of text, before names that it would compute.

    So with a name that begins with one: a first apostrophe is never part of the name.
    """
    return ["'" + name if name.startswith(_FORMULA_STARTS) else name for name in names]
