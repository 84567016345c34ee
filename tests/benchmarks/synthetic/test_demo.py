"""The movie and the model that come with posestream, against the generator that made them."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from benchmarks.synthetic import BODY_PARTS
from benchmarks.synthetic.demo import DROPPED, NUM_FRAMES, demo_movie
from engine.builtin import DEMO_MOVIE, MODEL_DIR
from engine.inference.openvino import cpu_core

isx = pytest.importorskip("isx")


def recorded_frames(path: Path) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Index within the movie, dropped frames counted, and picture."""
    indices = (i for i in range(NUM_FRAMES) if i not in DROPPED)
    options = {"skip_initial_bytes": "96"}
    with av.open(str(path), format="mjpeg", options=options) as container:
        for index, frame in zip(indices, container.decode(video=0), strict=False):
            yield index, frame.to_ndarray(format="rgb24").astype(np.uint8)


@pytest.mark.slow
def test_command_writes_a_movie_like_the_one_that_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "demo.isxb"
    monkeypatch.setattr(sys, "argv", ["synthetic", str(path)])
    runpy.run_module("benchmarks.synthetic", run_name="__main__")
    made, shipped = isx.Movie.read(str(path)), isx.Movie.read(str(DEMO_MOVIE))
    assert made.timing == shipped.timing
    assert list(shipped.timing.dropped) == list(DROPPED)
    for index in range(NUM_FRAMES):
        assert made.get_frame_timestamp(index) == shipped.get_frame_timestamp(index)


def test_demo_shows_what_the_generator_makes_today() -> None:
    movie = demo_movie()
    pictures = dict(recorded_frames(DEMO_MOVIE))
    assert len(pictures) == NUM_FRAMES - len(DROPPED)
    for index in (0, 96, 99, 199):
        assert np.abs(pictures[index].astype(int) - movie.image(index)).mean() < 3


def test_model_finds_the_body_parts_in_the_demo() -> None:
    movie = demo_movie()
    core = cpu_core()
    model = core.read_model(next(MODEL_DIR.glob("snapshot-*.pb")))
    model.reshape([1, 480, 640, 3])
    poses = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    off_px = []
    for index, picture in recorded_frames(DEMO_MOVIE):
        if index % 20 == 0:
            found = poses([picture[None].astype(np.float32)])[0]
            off_px.append(np.linalg.norm(found[:, 1::-1] - movie.key_points(index), axis=1))
    assert np.median(off_px) < 3
    assert np.max(np.median(off_px, axis=0)) < 5


def test_model_names_the_body_parts_in_their_order() -> None:
    cfg = yaml.safe_load((MODEL_DIR / "pose_cfg.yaml").read_text())
    assert tuple(cfg["all_joints_names"]) == BODY_PARTS
    assert cfg["net_type"] == "mobilenet_v2_0.35"


def test_model_and_demo_are_small() -> None:
    files = [DEMO_MOVIE, *MODEL_DIR.iterdir()]
    assert sum(file.stat().st_size for file in files) < 6_000_000
