"""The four pictures: what they show, how large they are, and that they come whole or not at all."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from numpy.typing import NDArray
from PIL import Image

from sinks import PreviewPaths, PreviewSink
from tests.batches import pose_batches
from tests.shared import OPENFIELD, needs_shared

LARGEST_SVG_BYTES = 2 * 2**20
P_CUTOFF = 0.6


def paths_in(directory: Path) -> PreviewPaths:
    names = ("hist.0.svg", "plot-likelihood.0.svg", "plot.0.svg", "trajectory.0.png")
    return PreviewPaths(*(directory / name for name in names))


def sink(directory: Path, num_body_parts: int, **options: Any) -> PreviewSink:
    arguments: dict[str, Any] = {
        "body_parts": [f"part_{index}" for index in range(num_body_parts)],
        "p_cutoff": P_CUTOFF,
        "color_map": "rainbow",
        "frame_width": 640,
        "frame_height": 480,
    }
    return PreviewSink(paths_in(directory), **(arguments | options))


def draw(directory: Path, poses: NDArray[np.float64], batch_size: int = 8) -> None:
    with sink(directory, poses.shape[1]) as previews:
        for batch in pose_batches(poses, batch_size):
            previews.write(batch)


@pytest.fixture
def drawn_figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    kept: dict[str, Figure] = {}
    names = iter(("hist", "plot-likelihood", "plot", "trajectory"))
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        kept[next(names)] = figure
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept


def line_data(figure: Figure) -> list[NDArray[np.float64]]:
    return [np.asarray(line.get_xydata(), float) for line in figure.axes[0].get_lines()]


@needs_shared
def test_the_lines_are_deeplabcuts(tmp_path: Path, drawn_figures: dict[str, Figure]) -> None:
    (table,) = (OPENFIELD / "deeplabcut/m3v1_1s_w5").glob("*_filtered.h5")
    poses = pd.read_hdf(table).to_numpy(copy=True).reshape(33, 4, 3)
    poses[[4, 20], 1, 2] = 0.1

    draw(tmp_path, poses)

    masked = np.where(poses[..., 2:] < P_CUTOFF, np.nan, poses[..., :2])
    frame_indices = np.arange(33.0)
    for index, line in enumerate(line_data(drawn_figures["plot"])):
        np.testing.assert_array_equal(line[:, 0], frame_indices)
        np.testing.assert_array_equal(line[:, 1], masked[:, index // 2, index % 2])
    styles = [line.get_linestyle() for line in drawn_figures["plot"].axes[0].get_lines()]
    assert styles == ["--", "-"] * 4
    for index, line in enumerate(line_data(drawn_figures["plot-likelihood"])):
        np.testing.assert_array_equal(line[:, 1], poses[:, index, 2])
    edges = np.linspace(0, poses.max(), 100)
    for index, steps in enumerate(np.diff(poses[..., :2], axis=0).reshape(32, -1).T):
        stairs = drawn_figures["hist"].axes[0].patches[index]
        assert isinstance(stairs, StepPatch)
        counts, drawn_edges, _ = stairs.get_data()
        np.testing.assert_array_equal(drawn_edges, edges)
        np.testing.assert_array_equal(counts, np.histogram(steps, edges)[0])
    for index, line in enumerate(line_data(drawn_figures["trajectory"])):
        np.testing.assert_array_equal(line, masked[~np.isnan(masked[:, index, 0]), index])


def long_movie(num_frames: int, num_body_parts: int) -> NDArray[np.float64]:
    poses = np.random.default_rng(0).random((num_frames, num_body_parts, 3))
    poses[..., :2] *= (640, 480)
    return poses


@pytest.mark.often(1)
@pytest.mark.parametrize(("num_frames", "num_body_parts"), [(2048, 8), (5000, 8), (20_000, 12)])
def test_svg_files_stay_small(tmp_path: Path, num_frames: int, num_body_parts: int) -> None:
    draw(tmp_path, long_movie(num_frames, num_body_parts), batch_size=1000)

    for path in paths_in(tmp_path):
        assert 0 < path.stat().st_size < LARGEST_SVG_BYTES


@pytest.mark.often(1)
@pytest.mark.parametrize("num_frames", [30, 5_000])
def test_the_same_poses_give_the_same_bytes_however_batched(
    tmp_path: Path, num_frames: int
) -> None:
    poses = long_movie(num_frames, 3)
    for name, batch_size in (("a", 7), ("b", 1000)):
        (tmp_path / name).mkdir()
        draw(tmp_path / name, poses, batch_size)

    for one, other in zip(paths_in(tmp_path / "a"), paths_in(tmp_path / "b"), strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.often(2)
@pytest.mark.parametrize(
    "poses",
    [
        np.empty((0, 2, 3)),
        np.ones((1, 2, 3)),
        np.full((20, 2, 3), np.nan),
        np.zeros((20, 2, 3)),
        np.full((6000, 2, 3), np.nan),
        np.full((6000, 1, 3), 0.7),
    ],
    ids=["no frame", "one frame", "all NaN", "all below the cutoff", "long NaN", "long constant"],
)
def test_there_are_pictures_of_any_poses(tmp_path: Path, poses: NDArray[np.float64]) -> None:
    draw(tmp_path, poses, batch_size=100)

    assert all(path.stat().st_size > 0 for path in paths_in(tmp_path))


def test_body_parts_of_any_script_are_drawn_without_a_warning(tmp_path: Path) -> None:
    names = ["鼻", "🐭", "e\u0301", "ذيل", "ჩ", "$x_1$", r"$\frac{", r"a\b^c_d%&#~", "-", " "]

    with sink(tmp_path, len(names), body_parts=names) as previews:
        for batch in pose_batches(np.ones((3, len(names), 3)), 3):
            previews.write(batch)

    assert all(path.stat().st_size > 0 for path in paths_in(tmp_path))


def test_a_long_trajectory_shows_each_body_part_in_its_color_where_it_was(tmp_path: Path) -> None:
    poses = np.ones((6000, 2, 3))
    poses[:, 0, :2] = np.random.default_rng(0).uniform((10, 10), (60, 60), (6000, 2))
    poses[:, 1, :2] = np.random.default_rng(0).uniform((500, 400), (600, 470), (6000, 2))

    draw(tmp_path, poses, batch_size=500)

    picture = np.asarray(Image.open(tmp_path / "trajectory.0.png").convert("RGB"), int)
    axes = picture[20:-60, 70 : round(picture.shape[1] * 0.75)]
    violet = (axes[..., 2] > 150) & (axes[..., 0] < 200) & (axes[..., 1] < 150)
    red = (axes[..., 0] > 200) & (axes[..., 1] < 150) & (axes[..., 2] < 150)
    assert np.median(np.nonzero(violet)[0]) < np.median(np.nonzero(red)[0])
    assert np.median(np.nonzero(violet)[1]) < np.median(np.nonzero(red)[1])


def test_after_an_error_there_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), sink(tmp_path, 2) as previews:  # noqa: PT012 -- the block is what fails
        for batch in pose_batches(np.ones((20, 2, 3)), 5):
            previews.write(batch)
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_the_batch_is_left_alone(tmp_path: Path) -> None:
    poses = np.zeros((4, 2, 3))
    batch = next(pose_batches(poses, 4))

    with sink(tmp_path, 2) as previews:
        previews.write(batch)

    np.testing.assert_array_equal(batch.poses, np.zeros((4, 2, 3)))


def test_memory_does_not_grow_with_the_movie(tmp_path: Path) -> None:
    batch = next(pose_batches(long_movie(1000, 8), 1000))
    previews = sink(tmp_path, 8)
    with previews:
        for _ in range(20):
            previews.write(batch)
        tracemalloc.start()
        for _ in range(60):
            previews.write(batch)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert grown < 2**20
