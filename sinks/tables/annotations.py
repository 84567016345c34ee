"""Experiment annotations: one table of poses for all movies of a run, .parquet or .csv."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from readers import MovieInfo
from sinks.base import PoseBatch, ResourceHolder, at_success
from sinks.errors import closed_at_end, output_errors
from sinks.files import whole_file
from sinks.tables.rows import PoseRows, RowBuffer

_TEXT_MARK = "'"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a cell a formula for some spreadsheet, the last four in wide letters."""
CHUNK_LENGTH = 8192
"""Rows of a row group. Of each group and column the writer keeps some 300 bytes until the end."""


def annotation_schema(body_parts: Sequence[str], *, has_hardware_counter: bool) -> pa.Schema:
    """Columns of the table, in order; only the counter can be null."""
    fields = [
        pa.field("Frame number", pa.int64()),
        pa.field("Movie number", pa.int64()),
        pa.field("Local frame number", pa.int64()),
        pa.field("Time since start (s)", pa.float64()),
    ]
    if has_hardware_counter:
        fields.append(pa.field("Hardware counter (us)", pa.int64()))
    fields += [
        pa.field(f"{body_part} {coordinate}", pa.float64())
        for body_part in body_parts
        for coordinate in ("x", "y", "likelihood")
    ]
    return pa.schema(fields)


@contextmanager
def _csv_writer(path: Path, named: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Write numbers as pandas does: the shortest digits that read back the same.

    A column whose name a spreadsheet would compute has an apostrophe before it, its mark of text.
    So has a name that begins with one: a first apostrophe is never part of the name.
    """
    names = [
        _TEXT_MARK + name if name.startswith((_TEXT_MARK, *_FORMULA_STARTS)) else name
        for name in schema.names
    ]
    file = path.open("w", encoding="utf-8", newline="")
    with closed_at_end(file.close, named):

        def write(table: pa.Table, header: list[str] | None = None) -> None:
            frame = table.to_pandas(integer_object_nulls=True)
            frame.to_csv(file, index=False, header=header or False, lineterminator="\n")

        write(schema.empty_table(), names)
        yield write


@contextmanager
def _parquet_writer(
    path: Path, named: Path, schema: pa.Schema
) -> Iterator[Callable[[pa.Table], None]]:
    # Given a name, pyarrow would look for a file system in it ("mouse:1").
    file = path.open("wb")
    with closed_at_end(file.close, named):
        writer = pq.ParquetWriter(file, schema)
        with closed_at_end(writer.close, named):
            yield writer.write_table


@contextmanager
def whole_table(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that appends to a table, which appears at the end of the block.

    Parameters
    ----------
    path
        The file; its suffix, .parquet or .csv, chooses the format.
    schema
        Columns of the table.

    Raises
    ------
    OutputError
        If the file cannot be written; the function raises it, too.
    """
    writer = _parquet_writer if path.suffix == ".parquet" else _csv_writer
    with ExitStack() as resources:
        temporary = resources.enter_context(whole_file(path))
        with output_errors(path):
            write_table = resources.enter_context(writer(temporary, path, schema))

        def write(table: pa.Table) -> None:
            with output_errors(path):
                write_table(table)

        yield write


class Annotations(ResourceHolder):
    """Rows of a table over all movies of a run, however they are written.

    Columns ``Frame number`` (over all movies), ``Movie number``, ``Local frame number``, ``Time
    since start (s)``, ``Hardware counter (us)`` (only for .isxb; empty for dropped frames), then
    x, y and likelihood of each body part. A movie's time starts at the previous movie's last time
    plus the previous movie's frame period.

    Parameters
    ----------
    body_parts
        Names in the order of the poses.
    has_hardware_counter
        Whether the run's movies have counters.
    """

    def __init__(self, *, body_parts: Sequence[str], has_hardware_counter: bool) -> None:
        self._schema = annotation_schema(body_parts, has_hardware_counter=has_hardware_counter)
        self._has_hardware_counter = has_hardware_counter
        self._num_movies = 0
        self._num_frames = 0
        self._start_s = 0.0

    @abstractmethod
    def write_table(self, table: pa.Table) -> None:
        """Write rows of the schema."""

    def append(self, rows: PoseRows, movie_number: int) -> None:
        """Write rows of a movie."""
        columns = [
            rows.frame_indices + self._num_frames,
            np.full(len(rows), movie_number),
            rows.frame_indices,
            rows.time_s + self._start_s,
        ]
        if self._has_hardware_counter:
            missing = np.isnan(rows.hardware_counter_us)
            counters = np.where(missing, 0, rows.hardware_counter_us).astype(np.int64)
            columns.append(pa.array(counters, mask=missing))
        columns += list(rows.poses.reshape(len(rows), -1).T)
        self.write_table(pa.table(columns, schema=self._schema))

    def begin_movie(self) -> int:
        """Return the number of the movie that begins."""
        self._num_movies += 1
        return self._num_movies - 1

    def end_movie(self, num_frames: int, end_s: float) -> None:
        """Say how long the movie was, for the numbers and times of the next one."""
        self._num_frames += num_frames
        self._start_s += end_s


class ExperimentAnnotations(Annotations):
    """The annotations of a run in one file, open from its first movie to its last.

    Parameters
    ----------
    path
        The file; its suffix, .parquet or .csv, chooses the format.
    body_parts
        Names in the order of the poses.
    has_hardware_counter
        Whether the run's movies have counters.

    Raises
    ------
    OutputError
        If the file cannot be written; a movie's part raises it, too.
    """

    def __init__(
        self, path: Path, *, body_parts: Sequence[str], has_hardware_counter: bool
    ) -> None:
        super().__init__(body_parts=body_parts, has_hardware_counter=has_hardware_counter)
        self._path = path

    def open(self, resources: ExitStack) -> None:
        """Open the file."""
        self._append_table = resources.enter_context(whole_table(self._path, self._schema))

    def movie(self, movie: MovieInfo) -> MovieAnnotations:
        """Make the sink of the run's next movie; enter it when the one before has ended."""
        return MovieAnnotations(self, movie)

    def write_table(self, table: pa.Table) -> None:
        """Append rows to the file."""
        self._append_table(table)


class MovieAnnotations(ResourceHolder):
    """One movie's part of the annotations."""

    def __init__(self, annotations: Annotations, movie: MovieInfo) -> None:
        self._annotations = annotations
        self._period_s = float(movie.frame_period_s)
        self._rows = RowBuffer(CHUNK_LENGTH)
        self._num_frames = 0
        self._end_s = 0.0

    def open(self, resources: ExitStack) -> None:
        """Begin the movie."""
        self._movie_number = self._annotations.begin_movie()
        resources.enter_context(at_success(self._finish))

    def write(self, batch: PoseBatch) -> None:
        """Take the next batch."""
        self._num_frames += len(batch)
        self._end_s = float(batch.frames.time_s[-1]) + self._period_s
        for rows in self._rows.add(batch):
            self._annotations.append(rows, self._movie_number)

    def write_rest(self) -> None:
        """Write the rows that have been held back to be written with more."""
        for rows in self._rows.rest():
            self._annotations.append(rows, self._movie_number)

    def _finish(self) -> None:
        self.write_rest()
        self._annotations.end_movie(self._num_frames, self._end_s)
