"""Experiment annotations: one table for all movies of a run."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from readers import MovieInfo
from sinks import ExperimentAnnotations, PoseBatch
from tests.batches import pose_batches

BODY_PARTS = ["nose", "tail base"]


def movie(name: str, *, with_counter: bool = False) -> MovieInfo:
    return MovieInfo(
        path=Path(name),
        format="isxb" if with_counter else "mp4",
        width=6,
        height=4,
        frame_period_s=Fraction(1, 10),
        hardware_counters_us=(0, 1) if with_counter else None,
    )


def poses_of(num_frames: int) -> NDArray[np.float64]:
    return np.random.default_rng(num_frames).uniform(0, 100, (num_frames, len(BODY_PARTS), 3))


def with_counters(batch: PoseBatch) -> PoseBatch:
    """Count from 247,903,537,725 in steps of 100 ms; every fifth frame was dropped."""
    indices = batch.frames.first_frame_index + np.arange(len(batch))
    counters = np.where(indices % 5 == 4, np.nan, 247_903_537_725 + 100_000.0 * indices)
    return replace(batch, frames=replace(batch.frames, hardware_counter_us=counters))


def write(
    path: Path, lengths: list[int], batch_size: int = 4, *, with_counter: bool = False
) -> pd.DataFrame:
    with ExperimentAnnotations(
        path, body_parts=BODY_PARTS, has_hardware_counter=with_counter
    ) as annotations:
        for number, length in enumerate(lengths):
            with annotations.movie(movie(str(number), with_counter=with_counter)) as sink:
                for batch in pose_batches(poses_of(length), batch_size):
                    sink.write(with_counters(batch) if with_counter else batch)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, float_precision="round_trip")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("batch_size", [1, 4, 1000])
def test_the_table_holds_every_pose_of_every_movie(
    tmp_path: Path, kind: str, batch_size: int
) -> None:
    table = write(tmp_path / f"a.{kind}", [7, 5], batch_size)

    expected = np.concatenate([poses_of(7), poses_of(5)]).reshape(12, -1)
    np.testing.assert_array_equal(table.iloc[:, 4:].to_numpy(), expected)
    assert table["Frame number"].tolist() == list(range(12))
    assert table["Movie number"].tolist() == [0] * 7 + [1] * 5
    assert table["Local frame number"].tolist() == [*range(7), *range(5)]


def test_columns_are_named_and_ordered_as_in_the_reference(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", [3], with_counter=True)

    assert table.columns.tolist() == [
        "Frame number",
        "Movie number",
        "Local frame number",
        "Time since start (s)",
        "Hardware counter (us)",
        "nose x",
        "nose y",
        "nose likelihood",
        "tail base x",
        "tail base y",
        "tail base likelihood",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("=1+1", "+a", "-a", "@SUM(A1)", "\ta", "'a", "'=a"),
        *("\uff1da", "\uff0ba", "\uff0da", "\uff20a"),  # the same signs, in wide letters
    ],
)
def test_no_column_of_a_csv_is_a_formula_and_an_apostrophe_less_all_have_their_names(
    tmp_path: Path, name: str
) -> None:
    names = [f"{part} {what}" for part in (name, "a=b") for what in ("x", "y", "likelihood")]
    for kind in ("csv", "parquet"):
        with ExperimentAnnotations(
            tmp_path / f"a.{kind}", body_parts=[name, "a=b"], has_hardware_counter=False
        ):
            pass

    columns = pd.read_csv(tmp_path / "a.csv").columns
    assert columns.str.match(r"[A-Za-z']").all()
    assert columns.str.removeprefix("'").tolist()[4:] == names
    assert pd.read_parquet(tmp_path / "a.parquet").columns.tolist()[4:] == names


def test_numbers_are_int64_and_float64(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [3], with_counter=True)

    kinds = [str(kind) for kind in pq.read_schema(tmp_path / "a.parquet").types]
    assert kinds == ["int64"] * 3 + ["double", "int64"] + ["double"] * 6


def test_a_movies_time_starts_one_period_after_the_last_frame_of_the_one_before(
    tmp_path: Path,
) -> None:
    table = write(tmp_path / "a.parquet", [4, 3, 2])

    np.testing.assert_allclose(table["Time since start (s)"], np.arange(9) / 10)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_counters_keep_every_digit_and_are_empty_for_dropped_frames(
    tmp_path: Path, kind: str
) -> None:
    table = write(tmp_path / f"a.{kind}", [10], with_counter=True)

    expected = 247_903_537_725 + 100_000.0 * np.arange(10)
    expected[[4, 9]] = np.nan
    np.testing.assert_array_equal(table["Hardware counter (us)"], expected)
    if kind == "csv":
        lines = (tmp_path / "a.csv").read_text().splitlines()
        assert lines[1].split(",")[4] == "247903537725"
        assert lines[5].split(",")[4] == ""


def test_poses_of_frames_without_a_picture_are_empty_cells(tmp_path: Path) -> None:
    poses = poses_of(3)
    poses[1] = np.nan
    with (
        ExperimentAnnotations(
            tmp_path / "a.csv", body_parts=BODY_PARTS, has_hardware_counter=False
        ) as annotations,
        annotations.movie(movie("0")) as sink,
    ):
        for batch in pose_batches(poses, 2):
            sink.write(batch)

    assert (tmp_path / "a.csv").read_text().splitlines()[2] == "1,0,1,0.1,,,,,,"


def test_the_bytes_do_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    for size in (3, 1000):
        write(tmp_path / f"{size}.parquet", [20_000, 50], size)

    assert (tmp_path / "3.parquet").read_bytes() == (tmp_path / "1000.parquet").read_bytes()


def test_after_an_error_there_is_no_table(tmp_path: Path) -> None:
    annotations = ExperimentAnnotations(
        tmp_path / "a.csv", body_parts=BODY_PARTS, has_hardware_counter=False
    )
    with pytest.raises(RuntimeError), annotations, annotations.movie(movie("0")) as sink:  # noqa: PT012 -- the block is what fails
        for batch in pose_batches(poses_of(10), 2):
            sink.write(batch)
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []
