"""Pose estimates as DeepLabCut saves them: a pandas table in an .h5 file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from sinks.base import PoseBatch, ResourceHolder, at_success
from sinks.files import whole_file
from sinks.rows import PoseRows, RowBuffer

KEY = "df_with_missing"
_CHUNK_LENGTH = 8192
_CACHED_BYTES = 2**20
"""Of what was written, which nobody reads again: PyTables' own cache grows to 16 MiB."""


class PoseEstimates(ResourceHolder):
    """Writes poses to the table that DeepLabCut's own tools read.

    Key ``df_with_missing``, float64, one row per frame, columns a MultiIndex named ``scorer,
    bodyparts, coords``; a frame without a picture is a row of NaN.

    Parameters
    ----------
    path
        The .h5 file.
    scorer
        DeepLabCut's name of the model.
    body_parts
        Names in the order of the poses.
    notes
        Kept as JSON in the attribute ``posestream`` of the table, so that the file itself says
        what its coordinates refer to.
    """

    def __init__(
        self, path: Path, *, scorer: str, body_parts: Sequence[str], notes: Mapping[str, object]
    ) -> None:
        self._path = path
        self._columns = pd.MultiIndex.from_product(
            [[scorer], body_parts, ["x", "y", "likelihood"]],
            names=["scorer", "bodyparts", "coords"],
        )
        self._notes = notes
        self._rows = RowBuffer(_CHUNK_LENGTH)

    def open(self, resources: ExitStack) -> None:
        """Open the file."""
        temporary = resources.enter_context(whole_file(self._path))
        self._store: Any = resources.enter_context(
            pd.HDFStore(str(temporary), mode="w", CHUNK_CACHE_SIZE=_CACHED_BYTES)
        )
        resources.enter_context(at_success(self._finish))

    def write(self, batch: PoseBatch) -> None:
        """Take the next batch."""
        for rows in self._rows.add(batch):
            self._append(rows)

    def _finish(self) -> None:
        for rows in self._rows.rest():
            self._append(rows)
        self._store.get_storer(KEY).attrs.posestream = json.dumps(self._notes)

    def _append(self, rows: PoseRows) -> None:
        table = pd.DataFrame(
            rows.poses.reshape(len(rows), -1), index=rows.frame_indices, columns=self._columns
        )
        if rows.first_frame_index == 0:
            # HDF5 would note when the table was made, and an index when the index was: the same
            # poses would give different files.
            self._store.put(KEY, table, format="table", index=False, track_times=False)
        else:
            self._store.append(KEY, table, index=False)
