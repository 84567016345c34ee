"""The .h5 file is the table that DeepLabCut and its friends read."""

import bisect
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tables
from movement.io import load_poses
from numpy.typing import NDArray

from sinks import OutputError, PoseEstimates
from sinks.pose_estimates import table_holds
from tests.batches import pose_batches

BODY_PARTS = ["nose", "tail_base"]
SCORER = "DLC_resnet50_TaskOct30shuffle1_1000"


def poses_of(num_frames: int) -> NDArray[np.float64]:
    poses = np.random.default_rng(0).uniform(0, 100, (num_frames, len(BODY_PARTS), 3))
    poses[num_frames // 2] = np.nan
    return poses


def write(path: Path, poses: NDArray[np.float64], batch_size: int = 7) -> Path:
    notes = {"coordinates": "crop", "crop_rect": {"left": 1}}
    with PoseEstimates(path, scorer=SCORER, body_parts=BODY_PARTS, notes=notes) as sink:
        for batch in pose_batches(poses, batch_size):
            sink.write(batch)
    return path


def read(path: Path) -> pd.DataFrame:
    table = pd.read_hdf(path, "df_with_missing")
    assert isinstance(table, pd.DataFrame)
    return table


@pytest.mark.parametrize("num_frames", [1, 100, 20_000])
def test_the_table_equals_the_one_that_pandas_writes_at_once(
    tmp_path: Path, num_frames: int
) -> None:
    poses = poses_of(num_frames)
    columns = pd.MultiIndex.from_product(
        [[SCORER], BODY_PARTS, ["x", "y", "likelihood"]], names=["scorer", "bodyparts", "coords"]
    )
    expected = pd.DataFrame(poses.reshape(num_frames, -1), columns=columns)
    expected.to_hdf(tmp_path / "expected.h5", key="df_with_missing", format="table", mode="w")

    ours = read(write(tmp_path / "ours.h5", poses, batch_size=64))

    pd.testing.assert_frame_equal(ours, read(tmp_path / "expected.h5"), check_exact=True)
    assert set(ours.dtypes) == {np.dtype(np.float64)}


def test_movement_reads_it(tmp_path: Path) -> None:
    poses = poses_of(50)

    dataset = load_poses.from_dlc_file(write(tmp_path / "ours.h5", poses), fps=10)

    assert dataset.keypoints.to_numpy().tolist() == BODY_PARTS
    position = dataset.position.sel(individuals="individual_0")
    position = position.transpose("time", "keypoints", "space").to_numpy()
    np.testing.assert_array_equal(position, poses[..., :2])


def test_the_file_itself_says_what_its_coordinates_refer_to(tmp_path: Path) -> None:
    with tables.open_file(write(tmp_path / "ours.h5", poses_of(5))) as file:
        notes = json.loads(file.root.df_with_missing._v_attrs.posestream)

    assert notes == {"coordinates": "crop", "crop_rect": {"left": 1}}


def test_the_bytes_do_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    poses = poses_of(9000)

    files = [write(tmp_path / f"{size}.h5", poses, size).read_bytes() for size in (1, 8, 10_000)]

    assert files[0] == files[1] == files[2]


def test_after_an_error_there_is_no_file_and_the_old_one_is_kept(tmp_path: Path) -> None:
    old = write(tmp_path / "poses.h5", poses_of(5)).read_bytes()
    sink = PoseEstimates(tmp_path / "poses.h5", scorer="s", body_parts=BODY_PARTS, notes={})

    with pytest.raises(RuntimeError), sink:  # noqa: PT012 -- the block is what fails
        for batch in pose_batches(poses_of(20_000), 1000):
            sink.write(batch)
        raise RuntimeError

    assert [path.name for path in tmp_path.iterdir()] == ["poses.h5"]
    assert (tmp_path / "poses.h5").read_bytes() == old


@pytest.mark.parametrize("character", ["a", "鼠", "\\"])
def test_names_that_fit_into_the_head_of_a_table_are_told_from_those_that_do_not(
    tmp_path: Path, character: str
) -> None:
    """HDF5 itself is asked on both sides of the limit."""

    def body_parts(length: int) -> list[str]:
        lengths = [length // 400 + (number < length % 400) for number in range(400)]
        return [f"{number}{character * length}" for number, length in enumerate(lengths)]

    def is_written(length: int) -> bool:
        path = tmp_path / "poses.h5"
        names = body_parts(length)
        try:
            with PoseEstimates(path, scorer=SCORER, body_parts=names, notes={}) as sink:
                for batch in pose_batches(np.zeros((2, len(names), 3)), 2):
                    sink.write(batch)
        except OutputError:
            return False
        return list(read(path).columns.get_level_values("bodyparts")[::3]) == names

    most = bisect.bisect_left(
        range(100_000), True, key=lambda length: not table_holds(SCORER, body_parts(length))
    )
    assert is_written(most - 1)
    assert not is_written(most)
