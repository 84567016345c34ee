"""A run that follows the animal: its outputs, its metadata, and how it goes on when stopped."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmarks.synthetic import MouseMovie, write_isxb
from engine import CropRectangle, Job, run
from engine.cli import main
from engine.inference import CutSides, ModelExport, PendingPoses, PoseModel, load_model
from tests.engine.stopping import PowerCut, contents

NUM_FRAMES = 44
SIZE = 800, 640


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a recording with a tracker, that lost two frames."""
    made = MouseMovie(6, *SIZE, num_frames=NUM_FRAMES, look="infrared", body_length=0.14)
    path = tmp_path_factory.mktemp("movies") / "mouse.isxb"
    boxes = [
        (*made.key_points(index).min(axis=0), *made.key_points(index).max(axis=0), 0.9)
        for index in range(NUM_FRAMES)
    ]
    write_isxb(path, made.images(), 25, dropped=(9, 21), tracker_boxes=boxes)
    return path


def job(movie: Path, output_dir: Path, **options: Any) -> Job:
    return Job([movie], output_dir, **{"window_length": 1} | options)


def poses(output_dir: Path) -> NDArray[np.float64]:
    table = pd.read_hdf(output_dir / "dlc_pose_estimates.0.h5")
    return np.asarray(table.to_numpy().reshape(len(table), -1, 3))


def told(output_dir: Path) -> dict[str, Any]:
    metadata = json.loads((output_dir / "output_metadata.json").read_text())
    follow: dict[str, Any] = metadata["posestream"]["movies"][0]["follow"]
    return follow


@pytest.fixture(scope="module")
def whole(movie: Path, tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float64]:
    """Give the poses of whole frames."""
    output_dir = tmp_path_factory.mktemp("whole") / "output"
    run(job(movie, output_dir))
    assert told(output_dir) is None
    return poses(output_dir)


def assert_near(followed: NDArray[np.float64], whole: NDArray[np.float64]) -> None:
    is_likely = whole[..., 2] >= 0.6
    assert is_likely.sum() > 5 * (NUM_FRAMES - 2)
    error_px = np.hypot(*(followed - whole)[is_likely, :2].T)
    assert np.median(error_px) <= 0.1
    assert np.mean(error_px <= 1) >= 0.99


@pytest.mark.often(1)
@pytest.mark.parametrize("follow", ["poses", "tracker", "auto"])
def test_poses_are_near_those_of_whole_frames(
    movie: Path, whole: NDArray[np.float64], tmp_path: Path, follow: str
) -> None:
    run(job(movie, tmp_path / "output", follow=follow))

    followed = poses(tmp_path / "output")
    assert_near(followed, whole)
    np.testing.assert_array_equal(np.isnan(followed[..., 0]), np.isnan(whole[..., 0]))
    result = told(tmp_path / "output")
    assert result["num_frames"]["nothing"] == 2
    assert result["num_frames"]["window"] > NUM_FRAMES / 2
    assert result["checks"]["num_failed"] == 0
    assert result["num_tracked_frames"] == (
        0 if follow == "poses" else sum(window["num_frames"] for window in result["windows"])
    )
    assert (result["calibration"] is not None) == (follow == "auto")


@pytest.mark.slow
def test_a_crop_is_followed_too(movie: Path, tmp_path: Path) -> None:
    crop = CropRectangle(16, 8, 760, 620)
    run(job(movie, tmp_path / "whole", crop_rect=crop))
    run(job(movie, tmp_path / "followed", crop_rect=crop, follow="tracker"))

    assert_near(poses(tmp_path / "followed"), poses(tmp_path / "whole"))
    assert told(tmp_path / "followed")["num_frames"]["window"] > NUM_FRAMES / 2


class StoppingModel(PoseModel):
    """The built-in model, until it has been asked so many times."""

    def __init__(self, model: PoseModel, stop_after: int) -> None:
        self.body_parts, self.runtime = model.body_parts, model.runtime
        self._model = model
        self._left = stop_after

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        self._ask()
        return self._model.predict(images)

    def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> PendingPoses:
        self._ask()
        return self._model.start(images, cut)

    def _ask(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise PowerCut

    def close(self) -> None:
        self._model.close()


@pytest.mark.slow
@pytest.mark.parametrize("follow", ["poses", "auto"])
def test_a_run_that_is_stopped_again_and_again_has_the_outputs_of_one_that_was_not(
    movie: Path, tmp_path: Path, follow: str
) -> None:
    run(job(movie, tmp_path / "at once", follow=follow))

    # All of a calibration, and then a little more each time.
    numbers_asked = count(100 if follow == "auto" else 2)

    def load(export: ModelExport, runtime: str) -> PoseModel:
        return StoppingModel(load_model(export, runtime, num_sizes=5), next(numbers_asked))

    output_dir = tmp_path / "stopped"
    while not (output_dir / "output_metadata.json").exists():
        with suppress(PowerCut):
            run(job(movie, output_dir, follow=follow, resume=True), load=load)

    assert contents(output_dir) == contents(tmp_path / "at once")


@pytest.mark.slow
def test_the_result_does_not_depend_on_threads(movie: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        run(job(movie, tmp_path / name, follow="poses"))

    assert contents(tmp_path / "first") == contents(tmp_path / "second")


@pytest.mark.slow
def test_tensorflow_follows_as_well(
    movie: Path, whole: NDArray[np.float64], tmp_path: Path
) -> None:
    run(job(movie, tmp_path / "output", follow="poses", runtime="tensorflow"))

    assert_near(poses(tmp_path / "output"), whole)


@pytest.mark.slow
def test_the_end_of_the_run_tells_what_was_spared(
    movie: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", str(movie), "--output-dir", str(tmp_path / "output"), "--follow", "poses"]

    assert main(arguments) == 0

    assert "mouse.isxb: followed: " in capsys.readouterr().err


@pytest.mark.slow
def test_a_movie_without_a_tracker_is_told_of(tmp_path: Path) -> None:
    made = MouseMovie(6, *SIZE, num_frames=12, look="infrared", body_length=0.14)
    write_isxb(tmp_path / "mouse.isxb", made.images(), 25)

    result = run(job(tmp_path / "mouse.isxb", tmp_path / "output", follow="tracker"))

    assert any("no frame that was followed has a box" in warning for warning in result.warnings)


def test_a_movie_no_larger_than_a_window_is_looked_at_whole(tmp_path: Path) -> None:
    small = MouseMovie(1, 192, 160, num_frames=6)
    write_isxb(tmp_path / "small.isxb", small.images(), 25)
    run(job(tmp_path / "small.isxb", tmp_path / "whole", batch_size=4))
    run(job(tmp_path / "small.isxb", tmp_path / "followed", follow="poses"))

    names = ["dlc_pose_estimates.0.h5", "dlc_annotations.parquet"]
    for name in names:
        assert (tmp_path / "followed" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()
    assert told(tmp_path / "followed")["share_whole"] == 1
