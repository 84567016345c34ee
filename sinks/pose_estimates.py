"""Pose estimates as DeepLabCut saves them: a pandas table in an .h5 file."""

from __future__ import annotations

import json
import os
import pickle
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from sinks.base import PoseBatch, ResourceHolder, RowBuffer, Rows, at_success
from sinks.files import OutputError, closed_at_end, output_errors, whole_file

KEY = "df_with_missing"
_CHUNK_LENGTH = 2048
_COORDS = ("x", "y", "likelihood")
_MOST_NAME_BYTES = 65_488
"""What an attribute of HDF5 holds, 64 KiB with its own description."""
_CACHED_BYTES = 2**20
"""A cache of written data, which is not read again; PyTables' own would grow to 16 MiB."""


def table_holds(scorer: str, body_parts: Sequence[str]) -> bool:
    """Tell whether the names of all columns have room in a table's head.

    Pandas keeps them there as one pickle, in an attribute of at most 64 KiB.
    """
    columns = [(scorer, name, coord) for name in body_parts for coord in _COORDS]
    return len(pickle.dumps([(1, columns)], protocol=0)) <= _MOST_NAME_BYTES


class PoseEstimates(ResourceHolder):
    """Writes poses to the table that DeepLabCut's own tools read.

    Key ``df_with_missing``, float64, one row per frame, columns a MultiIndex named ``scorer,
    bodyparts, coords``; without a picture x and y are NaN and the likelihood is 0.

    The scorer is DeepLabCut's name of the model. The notes are kept as JSON in the attribute
    ``posestream`` of the table: the file itself says what its coordinates refer to.

    `OutputError` if it cannot be written. PyTables does not report that closing, which writes the
    rest, has failed: so the table is read again at the end and compared.
    """

    def __init__(
        self, path: Path, *, scorer: str, body_parts: Sequence[str], notes: Mapping[str, object]
    ) -> None:
        self._path = path
        self._columns = pd.MultiIndex.from_product(
            [[scorer], body_parts, _COORDS], names=["scorer", "bodyparts", "coords"]
        )
        self._notes = notes
        self._rows = RowBuffer(_CHUNK_LENGTH)
        self._checksum = 0
        self._num_bytes = 0

    def open(self, resources: ExitStack) -> None:
        """Open the file."""
        self._temporary = resources.enter_context(whole_file(self._path))
        resources.enter_context(at_success(self._check))
        with output_errors(self._path), _hdf5_errors():
            self._store: Any = pd.HDFStore(
                _FileName(self._temporary), mode="w", CHUNK_CACHE_SIZE=_CACHED_BYTES
            )
        resources.enter_context(closed_at_end(self._close, self._path))

    def write(self, batch: PoseBatch) -> None:
        """Take the next batch."""
        self._append(self._rows.add(batch))

    def finish(self) -> None:
        """Write the last rows, and the notes."""
        self._append(self._rows.rest())
        with output_errors(self._path), _hdf5_errors():
            self._store.get_storer(KEY).attrs.posestream = json.dumps(self._notes)

    def _append(self, chunks: Iterable[Rows]) -> None:
        for rows in chunks:
            values = rows["poses"].reshape(len(rows), -1)
            self._checksum = zlib.crc32(values.tobytes(), self._checksum)
            table = pd.DataFrame(values, index=rows["frame_index"], columns=self._columns)
            with output_errors(self._path), _hdf5_errors():
                if rows["frame_index"][0] == 0:
                    # HDF5 would note when the table was made, and an index when the index was: the
                    # same poses would give different files.
                    self._store.put(KEY, table, format="table", index=False, track_times=False)
                else:
                    self._store.append(KEY, table, index=False)

    def _close(self) -> None:
        with _hdf5_errors():
            self._store.flush()
            self._num_bytes = self._store._handle.get_filesize()
            self._store.close()

    def _check(self) -> None:
        """Raise unless the closed file holds what was written."""
        with output_errors(self._path):
            if self._reads_back():
                return
            # Asked for the space that is missing, the system tells the reason again.
            with self._temporary.open("rb+") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, self._num_bytes)
                else:
                    os.ftruncate(file.fileno(), self._num_bytes)
        raise OutputError(self._path, "it does not read back as it was written")

    def _reads_back(self) -> bool:
        import tables

        if self._temporary.stat().st_size < self._num_bytes:
            return False
        checksum = 0
        try:
            name = _FileName(self._temporary)
            with tables.open_file(name, CHUNK_CACHE_SIZE=_CACHED_BYTES) as file:
                node = file.get_node(f"/{KEY}")
                for start in range(0, node.table.nrows, _CHUNK_LENGTH):
                    rows = node.table.read(start, start + _CHUNK_LENGTH)
                    checksum = zlib.crc32(rows["values_block_0"].tobytes(), checksum)
                has_notes = node._v_attrs.posestream == json.dumps(self._notes)
                return has_notes and checksum == self._checksum
        except (tables.HDF5ExtError, tables.NoSuchNodeError, AttributeError):
            return False


class _FileName(str):
    """A path for PyTables, which would write ? for bytes of a name that are not text."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 -- as of str
        """Give the name as the system has it."""
        return os.fsencode(str(self))


@contextmanager
def _hdf5_errors() -> Iterator[None]:
    """Turn what PyTables raises into the `OSError` that it hides in HDF5's account of it."""
    import tables  # it takes long: the first pose should not wait for it

    try:
        yield
    except tables.HDF5ExtError as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise OSError(str(error).splitlines()[-1]) from error
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
