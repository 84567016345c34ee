"""A new format of movies is one file (here `flipbook.py`) and one row in the table of formats."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import Job, run
from engine.cli.inspection import inspect
from readers import inspect_movie, open_movie
from readers.formats import FORMATS, check_live
from tests import flipbook
from tests.engine.runs.recording import Camera, SeeingLoader, live_job, run_job, run_live
from tests.engine.stopping import Loader
from tests.readers.live.recordings import Recorder, Write, batches_of, together

NUM_FRAMES = 7


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    FORMATS.insert(0, flipbook.FLIPBOOK)
    yield
    FORMATS.remove(flipbook.FLIPBOOK)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return flipbook.write(tmp_path / "a.flip", NUM_FRAMES)


def test_it_is_inspected(path: Path) -> None:
    description = inspect(path)

    assert description["format"] == "flipbook"
    assert description["num_frames"] == NUM_FRAMES
    assert description["num_dropped"] is None


def test_a_run_reads_it(path: Path, tmp_path: Path) -> None:
    run(Job([path], tmp_path / "out"), load=Loader())

    table = pd.read_parquet(tmp_path / "out" / "dlc_annotations.parquet")
    np.testing.assert_allclose(table["Time since start (s)"], np.arange(NUM_FRAMES) / 25)


def test_it_is_followed_while_it_grows(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    pieces = [Write(place, data[place : place + 700]) for place in range(0, len(data), 700)]

    with Recorder(tmp_path / "b.flip", iter(pieces)).movie() as movie:
        movie.receive()
        batch = together(batches_of(movie))

    with open_movie(inspect_movie(path)) as reader:
        expected = reader.read(np.empty((NUM_FRAMES + 1, *reader.image_shape), np.uint8))
    assert expected is not None
    assert movie.ended_by == "closed"
    np.testing.assert_array_equal(batch.images, expected.images)
    np.testing.assert_allclose(batch.time_s, expected.time_s)


def test_a_live_run_follows_it(path: Path, tmp_path: Path) -> None:
    check_live(path)

    job = live_job(tmp_path / "live")
    run_live(Camera(path), job, SeeingLoader())
    run(replace(run_job(path, job), output_dir=tmp_path / "run"), load=Loader())

    name = "dlc_annotations.parquet"
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "live" / name), pd.read_parquet(tmp_path / "run" / name)
    )
