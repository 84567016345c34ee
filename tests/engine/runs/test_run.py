"""Whole runs of the built-in model: what is written, when, and at what cost."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import tables
from numpy.typing import NDArray

from benchmarks.synthetic import BODY_PARTS, MouseMovie, write_avi, write_isxb, write_mp4
from engine import CropRectangle, InputError, Job, RunError, run
from engine.builtin import DEMO_MOVIE
from sinks import PreviewSink
from tests.engine.stopping import Loader
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import small_movie as small_movie_of


def poses_in(directory: Path, movie_number: int = 0) -> NDArray[np.float64]:
    table = pd.read_hdf(directory / f"dlc_pose_estimates.{movie_number}.h5")
    return table.to_numpy().reshape(len(table), -1, 3)


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def metadata_in(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / "output_metadata.json").read_text())
    return content


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("demo")
    run(Job([DEMO_MOVIE], directory))
    return directory


@pytest.fixture(scope="module")
def small_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movies") / "small.mp4"
    write_mp4(path, MouseMovie(seed=3, width=192, height=128, num_frames=40).images(), 25)
    return path


def test_all_outputs_have_the_reference_tools_names(demo_run: Path) -> None:
    assert names_in(demo_run) == OUTPUTS_OF_ONE_MOVIE


def test_every_frame_has_a_row_and_dropped_frames_say_so(demo_run: Path) -> None:
    table = pd.read_parquet(demo_run / "dlc_annotations.parquet")
    dropped = [97, 98, 104]

    assert len(table) == len(poses_in(demo_run)) == 200
    without_counter = np.flatnonzero(table["Hardware counter (us)"].isna())
    assert without_counter.tolist() == dropped
    np.testing.assert_array_equal(
        np.flatnonzero(np.isnan(poses_in(demo_run)[..., 0]).all(axis=1)), dropped
    )
    assert table["Time since start (s)"].is_monotonic_increasing
    movie = metadata_in(demo_run)["posestream"]["movies"][0]
    assert (movie["num_frames"], movie["num_dropped"], movie["num_not_decodable"]) == (200, 3, 0)


def test_the_labelled_movie_has_every_frame_and_the_movies_rate(demo_run: Path) -> None:
    with av.open(str(demo_run / "dlc_labeled_movie.0.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 20
        assert sum(1 for _ in container.decode(stream)) == 200


def test_annotations_and_pose_estimates_agree(demo_run: Path) -> None:
    table = pd.read_parquet(demo_run / "dlc_annotations.parquet")

    np.testing.assert_array_equal(table.iloc[:, 5:].to_numpy(), poses_in(demo_run).reshape(200, -1))


@pytest.mark.slow
@pytest.mark.parametrize("look", ["infrared", "white light"])
def test_the_built_in_model_finds_unseen_mice_within_three_pixels(
    tmp_path: Path, look: Any
) -> None:
    movie = MouseMovie(seed=77, num_frames=60, look=look)
    write_mp4(tmp_path / "movie.mp4", movie.images(), 25)

    run(Job([tmp_path / "movie.mp4"], tmp_path / "out", window_length=1))

    truth = np.stack([movie.key_points(index) for index in range(60)])
    error_px = np.linalg.norm(poses_in(tmp_path / "out")[..., :2] - truth, axis=-1)
    assert np.median(error_px) < 3
    assert metadata_in(tmp_path / "out")["dlc_annotations"]["dlc"]["body_parts"] == ",".join(
        BODY_PARTS
    )


def test_several_movies_share_one_table_of_annotations(tmp_path: Path) -> None:
    for name, start_time_ms, num_frames in (("b", 1000, 12), ("a", 9000, 7)):
        movie = MouseMovie(seed=1, width=128, height=96, num_frames=num_frames)
        write_isxb(tmp_path / f"{name}.isxb", movie.images(), 20, start_time_ms=start_time_ms)

    result = run(Job([tmp_path / "a.isxb", tmp_path / "b.isxb"], tmp_path / "out"))

    assert [movie.movie.path.stem for movie in result.movies] == ["b", "a"]
    table = pd.read_parquet(tmp_path / "out/dlc_annotations.parquet")
    assert table["Movie number"].tolist() == [0] * 12 + [1] * 7
    assert table["Frame number"].tolist() == list(range(19))
    time_s = table["Time since start (s)"].to_numpy()
    assert time_s[12] == pytest.approx(time_s[11] + 0.05, abs=1e-4)
    assert {path.name for path in result.outputs} == names_in(tmp_path / "out")
    assert "dlc_labeled_movie.1.mp4" in names_in(tmp_path / "out")


def test_movies_of_different_sizes_run_together(tmp_path: Path, small_movie: Path) -> None:
    write_mp4(tmp_path / "b.mp4", MouseMovie(width=128, height=96, num_frames=5).images(), 25)

    run(Job([small_movie, tmp_path / "b.mp4"], tmp_path / "out"))

    metadata = metadata_in(tmp_path / "out")
    sizes = [metadata[f"dlc_labeled_movie.{i}"]["spacingInfo"]["numPixels"]["x"] for i in range(2)]
    assert sizes == [192, 128]


def test_outputs_do_not_depend_on_the_batch_size(tmp_path: Path, small_movie: Path) -> None:
    for batch_size in (1, 7, 64):
        run(Job([small_movie], tmp_path / str(batch_size), batch_size=batch_size))

    for name in OUTPUTS_OF_ONE_MOVIE - {"output_metadata.json"}:
        first, *others = ((tmp_path / str(size) / name).read_bytes() for size in (1, 7, 64))
        assert all(other == first for other in others), name


def test_poses_are_relative_to_the_crop_or_to_the_movie_as_asked(
    tmp_path: Path, small_movie: Path
) -> None:
    crop = CropRectangle(left=16, top=8, width=160, height=112)
    job = Job([small_movie], tmp_path / "crop", crop_rect=crop)
    run(job)
    run(replace(job, output_dir=tmp_path / "movie", coordinates="movie"))

    shift = np.array([16.0, 8.0, 0.0])
    np.testing.assert_array_equal(poses_in(tmp_path / "movie"), poses_in(tmp_path / "crop") + shift)
    for name in ("crop", "movie"):
        provenance = metadata_in(tmp_path / name)["posestream"]
        with tables.open_file(tmp_path / name / "dlc_pose_estimates.0.h5") as file:
            notes = json.loads(file.root.df_with_missing._v_attrs.posestream)
        assert notes["coordinates"] == provenance["coordinates"] == name
        assert (
            notes["crop_rect"]
            == provenance["crop_rect"]
            == {
                "left": 16,
                "top": 8,
                "width": 160,
                "height": 112,
            }
        )
    labelled = (tmp_path / "crop/dlc_labeled_movie.0.mp4").read_bytes()
    assert (tmp_path / "movie/dlc_labeled_movie.0.mp4").read_bytes() == labelled


@pytest.mark.slow
@pytest.mark.parametrize("window_length", [0, 1])
def test_a_window_of_0_or_1_leaves_poses_as_they_are(
    tmp_path: Path, small_movie: Path, window_length: int
) -> None:
    run(Job([small_movie], tmp_path / "filtered", window_length=5))
    run(Job([small_movie], tmp_path / "raw", window_length=window_length))

    raw, filtered = poses_in(tmp_path / "raw"), poses_in(tmp_path / "filtered")
    assert (raw[..., :2] != filtered[..., :2]).any()
    np.testing.assert_array_equal(raw[..., 2], filtered[..., 2])


def test_csv_annotations_and_another_output_rate(tmp_path: Path, small_movie: Path) -> None:
    run(
        Job(
            [small_movie],
            tmp_path / "out",
            experiment_annotations_format="csv",
            output_frame_rate=29.97,
            keypoints_only=True,
        )
    )

    assert len(pd.read_csv(tmp_path / "out/dlc_annotations.csv")) == 40
    with av.open(str(tmp_path / "out/dlc_labeled_movie.0.mp4")) as container:
        assert float(container.streams.video[0].average_rate or 0) == pytest.approx(29.97)
    timing = metadata_in(tmp_path / "out")["dlc_labeled_movie.0"]["timingInfo"]
    assert timing["sampling_rate"] == 29.97


def test_the_built_in_model_warns_on_movies_that_it_was_not_made_for(
    tmp_path: Path, small_movie: Path
) -> None:
    (warning,) = run(Job([small_movie], tmp_path / "out")).warnings

    assert "no model was given" in warning
    assert metadata_in(tmp_path / "out")["posestream"]["warnings"] == [warning]


def test_results_are_replaced_only_when_asked_and_then_all_of_them(
    tmp_path: Path, small_movie: Path
) -> None:
    out = tmp_path / "out"
    run(Job([small_movie, small_movie], out))
    (out / "notes.txt").write_text("mine")

    with pytest.raises(InputError, match="already holds results"):
        run(Job([small_movie], out))
    run(Job([small_movie], out, overwrite=True))

    assert names_in(out) == OUTPUTS_OF_ONE_MOVIE | {"notes.txt"}


def test_a_movie_is_not_overwritten_by_its_own_result(tmp_path: Path, small_movie: Path) -> None:
    out = tmp_path / "out"
    run(Job([small_movie], out))

    with pytest.raises(InputError, match="would be overwritten"):
        run(Job([out / "dlc_labeled_movie.0.mp4"], out, overwrite=True))


def test_a_movie_that_is_shorter_than_its_header_says_is_warned_of(tmp_path: Path) -> None:
    whole = tmp_path / "whole.avi"
    write_avi(whole, MouseMovie(width=128, height=96, num_frames=10).images(), 25)
    header = bytearray(whole.read_bytes())
    stream_length = header.index(b"strh") + 8 + 32
    header[stream_length : stream_length + 4] = (99).to_bytes(4, "little")
    (tmp_path / "short.avi").write_bytes(header)

    result = run(Job([tmp_path / "short.avi"], tmp_path / "out"))

    assert "header claims 99 frames, 10 are there" in result.warnings[-1]
    movie = metadata_in(tmp_path / "out")["posestream"]["movies"][0]
    assert (movie["num_frames_in_header"], movie["num_frames"]) == (99, 10)


@pytest.mark.parametrize(("num_frames", "is_short"), [(8, True), (9, False)])
def test_a_movie_that_is_shorter_than_the_filters_window_is_warned_of(
    tmp_path: Path, num_frames: int, is_short: bool
) -> None:
    movie = small_movie_of(tmp_path / "short.avi", num_frames=num_frames)

    result = run(Job([movie], tmp_path / "out", window_length=9), load=Loader())

    told = [line for line in result.warnings if "8 frames are fewer than the median" in line]
    assert len(told) == is_short
    assert metadata_in(tmp_path / "out")["posestream"]["warnings"] == list(result.warnings)


def test_a_movie_that_vanishes_during_the_run_is_a_failed_run(
    tmp_path: Path, small_movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "second.mp4"
    second.write_bytes(small_movie.read_bytes())
    before = run(Job([small_movie, second], tmp_path / "out"))
    enter = PreviewSink.__enter__

    def enter_and_remove(sink: PreviewSink) -> PreviewSink:
        second.unlink(missing_ok=True)
        return enter(sink)

    monkeypatch.setattr(PreviewSink, "__enter__", enter_and_remove)
    with pytest.raises(
        RunError, match=r"second\.mp4: cannot be read .*; 40 frames are done and kept"
    ):
        run(Job([small_movie, second], tmp_path / "out", overwrite=True))

    assert names_in(tmp_path / "out") == {path.name for path in before.outputs} | {"unfinished-run"}


@pytest.mark.often(1)
@pytest.mark.parametrize("name", ["mouse:1", "2023-01-27T10:34", "a b", "ümläut"])
def test_names_that_look_like_something_else_are_names(
    tmp_path: Path, small_movie: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.mp4").write_bytes(small_movie.read_bytes())

    result = run(Job([Path(f"{name}.mp4")], Path(name)))

    assert {path.name for path in result.outputs} == OUTPUTS_OF_ONE_MOVIE


def test_a_run_that_fails_leaves_no_output(
    tmp_path: Path, small_movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(PreviewSink, "write", fail)
    with pytest.raises(ValueError, match="a mistake of ours"):
        run(Job([small_movie], tmp_path / "out"))

    assert names_in(tmp_path / "out") <= {"unfinished-run"}


_MEASURE = """
import os, sys
from pathlib import Path
from engine import Job, run
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # every core takes memory
run(Job([Path(sys.argv[1])], Path(sys.argv[2])))
(peak,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak.split()[1])
"""


def peak_memory_mib(movie: Path, output_dir: Path) -> float:
    """Peak resident memory of a process that does one run on two cores.

    Not ``ru_maxrss``, which a child inherits from the process that started it.
    """
    command = [sys.executable, "-c", _MEASURE, str(movie), str(output_dir)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 -- our own interpreter and script
    return int(result.stdout) / 1024


@pytest.mark.slow
def test_memory_does_not_grow_with_the_movie(tmp_path: Path) -> None:
    images = list(MouseMovie(seed=1, width=128, height=96, num_frames=100).images())
    peaks = {}
    for num_frames in (2_000, 20_000):
        path = tmp_path / f"{num_frames}.isxb"
        write_isxb(path, itertools.islice(itertools.cycle(images), num_frames), 25)
        peaks[num_frames] = peak_memory_mib(path, tmp_path / f"out{num_frames}")
        assert len(poses_in(tmp_path / f"out{num_frames}")) == num_frames

    assert peaks[20_000] <= 1.05 * peaks[2_000], peaks


@pytest.mark.slow
def test_memory_of_a_run_of_640_x_480_with_all_outputs(tmp_path: Path) -> None:
    images = MouseMovie(seed=1, width=640, height=480, num_frames=200).images()
    write_mp4(tmp_path / "movie.mp4", images, 25)

    assert peak_memory_mib(tmp_path / "movie.mp4", tmp_path / "out") <= 450
