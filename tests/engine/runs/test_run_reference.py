"""Whole runs against the outputs of DeepLabCut 2.3.11 and of the reference tool."""

import json
from pathlib import Path
from typing import Any

import isx
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from engine import CropRectangle, Job, run
from tests.shared import (
    AVI_MOVIE,
    ISXB_MOVIE,
    MODELS,
    OPENFIELD,
    OPENFIELD_MOVIE,
    needs_shared,
)

pytestmark = needs_shared

DEEPLABCUT = OPENFIELD / "deeplabcut"
COORDINATE_TOLERANCE_PX = 0.01
LIKELIHOOD_TOLERANCE = 1e-4
SKELETON = "snout-leftear,snout-rightear,leftear-tailbase,rightear-tailbase"
SETTINGS: dict[str, dict[str, Any]] = {
    "m3v1_1s_w5": {},
    "m3v1_1s_crop_w5": {"crop_rect": CropRectangle(40, 20, 400, 300)},
    "m3v1_1s_w1_skeleton_trail": {
        "window_length": 1,
        "draw_skeleton": True,
        "skeleton": SKELETON,
        "trail_points": 5,
        "displayed_body_parts": "snout,tailbase",
        "dot_size": 3,
        "color_map": "summer",
        "p_cutoff": 0.4,
    },
}


def deeplabcut_poses(setting: str, *, filtered: bool) -> pd.DataFrame:
    (path,) = (DEEPLABCUT / setting).glob("*_filtered.h5" if filtered else "*_3000.h5")
    return read_table(path)


def read_table(path: Path) -> pd.DataFrame:
    table = pd.read_hdf(path)
    assert isinstance(table, pd.DataFrame)
    return table


def assert_same_poses(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    assert list(ours.columns.names) == list(theirs.columns.names)
    assert [name[1:] for name in ours.columns] == [name[1:] for name in theirs.columns]
    assert (ours.dtypes == np.float64).all()
    assert ours.index.tolist() == theirs.index.tolist()
    difference = np.abs(poses_of(ours) - poses_of(theirs))
    assert difference[..., :2].max() <= COORDINATE_TOLERANCE_PX
    assert difference[..., 2].max() <= LIKELIHOOD_TOLERANCE


def poses_of(table: pd.DataFrame) -> NDArray[np.float64]:
    return table.to_numpy().reshape(len(table), -1, 3)


@pytest.mark.often(2)
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
@pytest.mark.parametrize("model", ["openfield-mobilenet", "openfield-mobilenet-scoremaps"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_poses_equal_deeplabcuts(tmp_path: Path, setting: str, model: str, runtime: str) -> None:
    options = SETTINGS[setting]
    run(Job([OPENFIELD_MOVIE], tmp_path, MODELS / model, runtime=runtime, **options))

    ours = read_table(tmp_path / "dlc_pose_estimates.0.h5")
    theirs = deeplabcut_poses(setting, filtered=options.get("window_length", 5) > 1)
    assert_same_poses(ours, theirs)
    assert ours.columns[0][0] == theirs.columns[0][0] == "DLC_mobnet_35_openfieldOct30shuffle1_3000"


def test_unfiltered_poses_equal_deeplabcuts_unfiltered_ones(tmp_path: Path) -> None:
    run(Job([OPENFIELD_MOVIE], tmp_path, MODELS / "openfield-mobilenet", window_length=0))

    ours = read_table(tmp_path / "dlc_pose_estimates.0.h5")
    assert_same_poses(ours, deeplabcut_poses("m3v1_1s_w5", filtered=False))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_a_model_of_batch_statistics_gives_the_same_file_at_any_batch_size(
    tmp_path: Path, runtime: str
) -> None:
    model = MODELS / "openfield-mobilenet-batch-statistics"
    files = []
    for batch_size in (1, 5, 64):
        directory = tmp_path / str(batch_size)
        result = run(
            Job([OPENFIELD_MOVIE], directory, model, batch_size=batch_size, runtime=runtime)
        )
        assert "one frame at a time" in result.warnings[0]
        files.append((directory / "dlc_pose_estimates.0.h5").read_bytes())

    assert files[0] == files[1] == files[2]


@pytest.fixture(scope="module")
def isxb_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("isxb")
    run(
        Job(
            [ISXB_MOVIE],
            directory,
            MODELS / "openfield-mobilenet",
            experiment_annotations_format="csv",
        )
    )
    return directory


@pytest.fixture(scope="module")
def avi_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("avi")
    run(
        Job(
            [AVI_MOVIE],
            directory,
            crop_rect=CropRectangle(325, 125, 1000, 1000),
            window_length=1,
            displayed_body_parts="neck,nose",
            p_cutoff=0.4,
            dot_size=3,
            color_map="summer",
            draw_skeleton=True,
            trail_points=5,
        )
    )
    return directory


TIME_COLUMNS = ["Frame number", "Movie number", "Local frame number", "Time since start (s)"]


def test_isxb_frame_numbers_and_times_equal_the_reference(isxb_run: Path) -> None:
    ours = pd.read_csv(isxb_run / "dlc_annotations.csv")
    theirs = pd.read_csv(ISXB_MOVIE.with_name(f"{ISXB_MOVIE.stem}_dlc_annotations.csv"))

    assert ours.columns[:5].tolist() == theirs.columns[:5].tolist()
    assert ours.dtypes.iloc[:3].tolist() == [np.int64] * 3
    pd.testing.assert_frame_equal(ours[TIME_COLUMNS], theirs[TIME_COLUMNS], check_exact=True)


def test_isxb_hardware_counters_equal_isx(isxb_run: Path) -> None:
    ours = pd.read_csv(isxb_run / "dlc_annotations.csv")["Hardware counter (us)"]
    oracle = isx.Movie.read(str(ISXB_MOVIE))

    assert ours.dtype == np.int64
    assert ours.tolist() == [oracle.get_frame_timestamp(index) for index in range(20)]


def test_avi_annotations_have_the_references_columns_dtypes_and_times(avi_run: Path) -> None:
    ours = pd.read_parquet(avi_run / "dlc_annotations.parquet")
    theirs = pd.read_parquet(AVI_MOVIE.with_name(f"{AVI_MOVIE.stem}_dlc_annotations.parquet"))

    assert ours.columns.tolist() == theirs.columns.tolist()
    assert ours.dtypes.tolist() == theirs.dtypes.tolist()
    pd.testing.assert_frame_equal(ours[TIME_COLUMNS], theirs[TIME_COLUMNS], check_exact=True)


def without_model(metadata: dict[str, Any]) -> dict[str, Any]:
    """Leave out what depends on the model, and what only posestream writes."""
    return {
        name: {key: value for key, value in output.items() if key != "dlc"}
        for name, output in metadata.items()
        if name != "posestream"
    }


@pytest.mark.parametrize("movie", [ISXB_MOVIE, AVI_MOVIE], ids=["isxb", "avi"])
def test_metadata_agrees_with_the_reference(movie: Path, isxb_run: Path, avi_run: Path) -> None:
    ours = json.loads(
        ((isxb_run if movie == ISXB_MOVIE else avi_run) / "output_metadata.json").read_text()
    )
    theirs = json.loads(movie.with_name(f"{movie.stem}_output_metadata.json").read_text())

    assert without_model(ours) == without_model(theirs)
    assert list(ours)[: len(theirs)] == list(theirs)
    for output, description in theirs.items():
        assert list(ours[output]["dlc"]) == list(description["dlc"])


@pytest.mark.parametrize("movie", [ISXB_MOVIE, AVI_MOVIE], ids=["isxb", "avi"])
def test_the_tables_form_is_the_references(movie: Path, isxb_run: Path, avi_run: Path) -> None:
    directory = isxb_run if movie == ISXB_MOVIE else avi_run
    ours = read_table(directory / "dlc_pose_estimates.0.h5")
    theirs = read_table(movie.with_name(f"{movie.stem}_dlc_pose_estimates.h5"))

    assert list(ours.columns.names) == list(theirs.columns.names)
    assert ours.index.tolist() == theirs.index.tolist()
    assert set(ours.dtypes.tolist()) == set(theirs.dtypes.tolist()) == {np.dtype(np.float64)}
    form = r"DLC_[a-z]+(_?\d+)?_\w+[A-Z][a-z]{2}\d{1,2}shuffle\d+_\d+"
    for table in (ours, theirs):
        assert pd.Series(table.columns[0][0]).str.fullmatch(form).all()
