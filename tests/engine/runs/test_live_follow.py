"""A live run follows the animal, too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmarks.synthetic import BODY_PARTS, write_isxb
from engine import live, run
from engine.inference import ModelExport, PoseModel
from tests.engine.follow.markers import MarkerModel
from tests.engine.runs.recording import Watcher, live_job

SIZE, NUM_FRAMES = (416, 320), 30


class SpotModel(MarkerModel):
    """Finds a bright spot, which survives JPEG, wherever it looks."""

    body_parts = BODY_PARTS

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.sizes += [(images.shape[2], images.shape[1])] * len(images)
        poses = np.zeros((len(images), 8, 3))
        for image, pose in zip(images, poses, strict=True):
            rows, columns = np.nonzero(image[..., 0] > 128)
            if len(rows):
                pose[:] = columns.mean(), rows.mean(), 0.9
        return poses


def spots() -> list[NDArray[np.uint8]]:
    pictures = np.zeros((NUM_FRAMES, SIZE[1], SIZE[0], 3), np.uint8)
    for index, picture in enumerate(pictures):
        picture[150:158, 180 + 2 * index : 188 + 2 * index] = 255
    return list(pictures)


@pytest.mark.parametrize("way", ["poses", "auto"])
def test_it_gives_the_poses_of_whole_frames(tmp_path: Path, way: str) -> None:
    write_isxb(tmp_path / "spot.isxb", spots(), 30, dropped=(4, 19))
    models: list[SpotModel] = []

    def load(export: ModelExport, runtime: str) -> PoseModel:  # noqa: ARG001 -- a loader
        models.append(SpotModel())
        return models[-1]

    job = live_job(tmp_path / "live", follow=way, window_length=1)
    live(job, tmp_path / "spot.isxb", Watcher(), load=load, end_after_s=1)
    whole = replace(job, movies=[tmp_path / "spot.isxb"], output_dir=tmp_path / "run", follow="off")
    run(whole, load=load)

    while_recorded, run_whole = (
        pd.read_hdf(tmp_path / name / "dlc_pose_estimates.0.h5") for name in ("live", "run")
    )
    np.testing.assert_array_equal(while_recorded.to_numpy(), run_whole.to_numpy())
    assert min(models[0].sizes) < SIZE
    metadata = json.loads((tmp_path / "live" / "output_metadata.json").read_text())
    result = metadata["posestream"]["movies"][0]["follow"]
    assert (result["context_px"], result["calibration"]) == (112, None)
    told = result["num_frames"]
    assert told["nothing"] == 2
    assert told["window"] > NUM_FRAMES / 2
    assert sum(told.values()) == NUM_FRAMES
