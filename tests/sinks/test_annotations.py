"""Experiment annotations: one table for all movies of a run, and in parts all rows so far."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from readers import MovieInfo
from sinks import AnnotationParts, ExperimentAnnotations, OutputError, PoseBatch
from tests.batches import pose_batches

BODY_PARTS = ["nose", "tail base"]
EVERY_S = 5.0

Kind = Literal["parquet", "csv"]


def movie(name: str = "movie", *, with_counter: bool = False) -> MovieInfo:
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


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def parts_in(
    folder: Path, clock: Clock, kind: Kind = "parquet", *, with_counter: bool = False
) -> AnnotationParts:
    return AnnotationParts(
        folder,
        kind,
        body_parts=BODY_PARTS,
        has_hardware_counter=with_counter,
        every_s=EVERY_S,
        clock_s=clock,
    )


def read(folder: Path, kind: Kind = "parquet") -> pd.DataFrame:
    """Read as another program does."""
    if kind == "parquet":
        return pd.read_parquet(folder)
    paths = sorted(folder.glob("part-*.csv"))
    parts = [pd.read_csv(path, float_precision="round_trip") for path in paths]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("with_counter", [True, False])
def test_the_parts_together_are_the_annotations(
    tmp_path: Path, clock: Clock, kind: Kind, with_counter: bool
) -> None:
    lengths = [17, 5, 9]
    with (
        parts_in(tmp_path / "parts", clock, kind, with_counter=with_counter) as parts,
        ExperimentAnnotations(
            tmp_path / "all.parquet", body_parts=BODY_PARTS, has_hardware_counter=with_counter
        ) as whole,
    ):
        for length in lengths:
            info = movie(with_counter=with_counter)
            with parts.movie(info) as part_sink, whole.movie(info) as whole_sink:
                for batch in map(with_counters, pose_batches(poses_of(length), 1)):
                    part_sink.write(batch)
                    whole_sink.write(batch)
                    clock.now_s += 1

    expected = pd.read_parquet(tmp_path / "all.parquet")
    pd.testing.assert_frame_equal(read(tmp_path / "parts", kind), expected)


@settings(max_examples=30)
@given(steps_s=st.lists(st.sampled_from([0.0, 0.5, 2.5, 7.0]), min_size=1, max_size=40))
def test_at_any_moment_all_rows_but_those_of_the_last_seconds_are_there(
    tmp_path_factory: pytest.TempPathFactory, steps_s: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    clock = Clock()
    poses = poses_of(len(steps_s))
    written_s = []
    with parts_in(folder, clock) as parts, parts.movie(movie()) as sink:
        for step_s, batch in zip(steps_s, pose_batches(poses, 1), strict=True):
            clock.now_s += step_s
            sink.write(batch)
            written_s.append(clock.now_s)

            table = read(folder)
            assert table["Frame number"].tolist() == list(range(len(table)))
            old = [time_s for time_s in written_s if time_s <= clock.now_s - EVERY_S]
            assert len(table) >= len(old)
            np.testing.assert_array_equal(
                table.iloc[:, 4:].to_numpy(), poses[: len(table)].reshape(len(table), 6)
            )


def test_columns_and_their_kinds_are_there_before_the_first_frame(
    tmp_path: Path, clock: Clock
) -> None:
    with parts_in(tmp_path, clock, with_counter=True):
        empty = read(tmp_path)

    assert len(empty) == 0
    assert empty.columns.tolist()[:6] == [
        "Frame number",
        "Movie number",
        "Local frame number",
        "Time since start (s)",
        "Hardware counter (us)",
        "nose x",
    ]
    kinds = [str(kind) for kind in pq.read_schema(tmp_path / "part-000000.parquet").types]
    assert kinds == ["int64"] * 3 + ["double", "int64"] + ["double"] * 6


def test_rows_are_held_back_to_be_written_with_more(tmp_path: Path, clock: Clock) -> None:
    with parts_in(tmp_path, clock) as parts, parts.movie(movie()) as sink:
        for batch in pose_batches(poses_of(100), 1):
            sink.write(batch)
            clock.now_s += 0.5

    # A part each time 5 s have passed, which are 10 frames, and an empty one at the start.
    assert len(list(tmp_path.iterdir())) == 11


def test_8192_rows_make_a_part_however_little_time_has_passed(tmp_path: Path, clock: Clock) -> None:
    with parts_in(tmp_path, clock) as parts, parts.movie(movie()) as sink:
        for batch in pose_batches(poses_of(9000), 500):
            sink.write(batch)

        assert len(read(tmp_path)) == 8192
    assert len(read(tmp_path)) == 9000


def test_what_is_being_written_is_not_read(tmp_path: Path, clock: Clock) -> None:
    with parts_in(tmp_path, clock) as parts:
        (tmp_path / ".part-000001.partial.parquet").write_bytes(b"PAR1")
        assert len(read(tmp_path)) == 0

        with parts.movie(movie()) as sink:
            sink.write(next(iter(pose_batches(poses_of(3), 3))))

    assert len(read(tmp_path)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "part-000000.parquet",
        "part-000001.parquet",
    ]


def test_a_run_begins_anew_and_leaves_other_files_alone(tmp_path: Path, clock: Clock) -> None:
    others = ["notes.txt", "part-1.parquet", "part-000001.parquet.bak"]
    for name in [*others, "part-000007.parquet", "part-000001.csv", ".part-000008.partial.csv"]:
        (tmp_path / name).write_text("from before")

    with parts_in(tmp_path, clock):
        pass

    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*others, "part-000000.parquet"}


def test_after_an_error_the_parts_stay(tmp_path: Path, clock: Clock) -> None:
    parts = parts_in(tmp_path, clock)
    with pytest.raises(RuntimeError), parts, parts.movie(movie()) as sink:  # noqa: PT012 -- the block is what fails
        for batch in pose_batches(poses_of(12), 1):
            clock.now_s += 1
            sink.write(batch)
        raise RuntimeError

    assert read(tmp_path)["Frame number"].tolist() == list(range(10))


def test_nothing_is_put_into_a_folder_that_has_taken_its_place(
    tmp_path: Path, clock: Clock
) -> None:
    folder = tmp_path / "parts"
    with pytest.raises(OutputError, match="another has its name"), parts_in(folder, clock) as parts:  # noqa: PT012 -- the block's end fails
        shutil.rmtree(folder)
        folder.mkdir()
        with parts.movie(movie()) as sink:
            sink.write(next(iter(pose_batches(poses_of(3), 3))))

    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_is_an_output_error(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "file"
    path.write_text("kept")

    with pytest.raises(OutputError, match="file: cannot be written"):
        parts_in(path, clock).__enter__()
