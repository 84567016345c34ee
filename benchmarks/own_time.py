"""The least cost of one frame: its decoding, and the model's own time for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.inference import PoseModel, load_model, read_export
from readers import FrameBatch, inspect_movie, open_movie

PERCENTILES = (50, 95, 99)
_NUM_UNMEASURED = 30


class FrameReader(Protocol):
    """The part of a `readers.MovieReader` that is needed here."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        """Read the next frames; None at the end."""


def own_time(
    model_dir: Path,
    movie_path: Path,
    frame_period_s: float,
    *,
    clock: Callable[[], float] = time.perf_counter,
    wait: Callable[[float], None] = time.sleep,
) -> dict[str, dict[str, dict[str, float]]]:
    """Decode a movie and run the model on it, one frame at a time, in this thread.

    Parameters
    ----------
    model_dir
        Folder of the export.
    movie_path
        A finished movie; the first 30 frames are not measured.
    frame_period_s
        Seconds from frame to frame, where they come one by one.
    clock, wait
        Tell the time in seconds, and let so many seconds pass.

    Returns
    -------
    dict
        Of ``"paced"``, a frame each period, and ``"loop"``, without a pause: of ``"decode"``,
        ``"model"`` and their ``"sum"`` the percentiles in milliseconds.
    """
    model = load_model(read_export(model_dir), is_prompt=True)
    try:
        times = {}
        for name, period_s in (("paced", frame_period_s), ("loop", 0.0)):
            with open_movie(inspect_movie(movie_path)) as reader:
                times[name] = percentiles_of_times(reader, model, period_s, clock, wait)
        return times
    finally:
        model.close()


def percentiles_of_times(
    reader: FrameReader,
    model: PoseModel,
    period_s: float,
    clock: Callable[[], float],
    wait: Callable[[float], None],
) -> dict[str, dict[str, float]]:
    """Take a reader to its end, frame by frame; see `own_time`."""
    image = np.empty((1, *reader.image_shape), np.uint8)
    times_s: list[tuple[float, float]] = []
    due_s = clock()
    while True:
        due_s += period_s
        early_s = due_s - clock()
        if period_s and early_s > 0:
            wait(early_s)
        begun_s = clock()
        batch = reader.read(image)
        if batch is None:
            break
        decoded_s = clock()
        model.predict(batch.images)
        times_s.append((decoded_s - begun_s, clock() - decoded_s))
    measured = np.array(times_s[_NUM_UNMEASURED:])
    columns = {"decode": measured[:, 0], "model": measured[:, 1], "sum": measured.sum(axis=1)}
    return {name: percentiles_ms(column.tolist()) for name, column in columns.items()}


def percentiles_ms(times_s: Sequence[float]) -> dict[str, float]:
    """Give p50, p95, p99 of seconds in milliseconds."""
    values = np.percentile(times_s, PERCENTILES) * 1000
    return {f"p{p}": float(value) for p, value in zip(PERCENTILES, values, strict=True)}
