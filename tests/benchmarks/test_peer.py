"""The comparison with DeepLabCut counts only what both sides did alike."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmarks import peer, same_job
from benchmarks.peer import (
    Benchmark,
    Network,
    Scenario,
    main,
    run_pairs,
)
from benchmarks.processes import CommandError, Measured
from benchmarks.ratios import ratios, table
from benchmarks.same_job import DifferentResultsError
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import HEIGHT, WIDTH, small_movie

NUM_FRAMES, NUM_BODY_PARTS = 6, 2
THEIR_PICTURES = ("hist", "plot", "plot-likelihood", "trajectory")


def wandering_poses() -> NDArray[np.float64]:
    """Poses of shape (frames, body parts, 3), all of them likely."""
    random = np.random.default_rng(0)
    return random.uniform(0.5, 1, (NUM_FRAMES, NUM_BODY_PARTS, 3)) * (WIDTH, HEIGHT, 1)


def write_poses(path: Path, poses: NDArray[np.float64]) -> None:
    columns = pd.MultiIndex.from_product([["scorer"], ["a", "b"], ["x", "y", "likelihood"]])
    frame = pd.DataFrame(poses.reshape(len(poses), -1), columns=columns)
    frame.to_hdf(path, key="df_with_missing", format="table")


def deeplabcut_outputs(directory: Path, poses: NDArray[np.float64]) -> Path:
    """What DeepLabCut leaves, of which a picture is anything that is not empty."""
    pictures = directory / "plot-poses/movie"
    pictures.mkdir(parents=True)
    for name in THEIR_PICTURES:
        (pictures / f"{name}_filtered.png").write_text("a picture")
    (directory / "movieDLC_filtered_labeled.mp4").write_text("a movie")
    write_poses(directory / "movieDLC.h5", poses + 50)
    write_poses(directory / "movieDLC_filtered.h5", poses)
    return directory


def posestream_outputs(directory: Path, poses: NDArray[np.float64]) -> Path:
    """What posestream leaves."""
    directory.mkdir()
    for name in OUTPUTS_OF_ONE_MOVIE - {"dlc_pose_estimates.0.h5"}:
        (directory / name).write_text("an output")
    write_poses(directory / "dlc_pose_estimates.0.h5", poses)
    return directory


class Sides:
    """Stand-ins that copy prepared outputs and leave a temporary file, as DeepLabCut does."""

    def __init__(
        self, folder: Path, theirs: NDArray[np.float64], ours: NDArray[np.float64]
    ) -> None:
        self.outputs = {
            "deeplabcut": deeplabcut_outputs(folder / "theirs", theirs),
            "posestream": posestream_outputs(folder / "ours", ours),
        }
        self.log = folder / "log"
        self.log.touch()

    def command(self, side: str, destination: Path) -> Sequence[str]:
        return [
            "sh",
            "-c",
            'test ! -e "$2" && cp -r "$1" "$2" && mktemp >> "$3" && echo "$2" >> "$3"',
            "sh",
            str(self.outputs[side]),
            str(destination),
            str(self.log),
        ]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


@pytest.mark.slow
def test_sides_take_turns_and_leave_nothing(tmp_path: Path, work: Path) -> None:
    poses = wandering_poses()
    sides = Sides(tmp_path, poses, poses + np.array([0.004, -0.002, 0.1]))

    measured, difference_px = run_pairs("it", sides.command, work, repeats=2)

    assert {side: len(one) for side, one in measured.items()} == {"deeplabcut": 2, "posestream": 2}
    assert difference_px == pytest.approx(0.004)
    written = [Path(line) for line in sides.log.read_text().splitlines()]
    assert [path.name for path in written[1::2]] == ["deeplabcut", "posestream"] * 2
    assert all(work in path.parents for path in written)
    assert list(work.iterdir()) == []


def test_a_likely_point_elsewhere_is_another_result(tmp_path: Path, work: Path) -> None:
    poses = wandering_poses()
    moved = poses.copy()
    moved[3, 1, 1] += 0.02

    with pytest.raises(DifferentResultsError, match=r"up to 0\.02 px apart"):
        run_pairs("it", Sides(tmp_path, poses, moved).command, work, repeats=1)

    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    ("their_likelihood", "our_likelihood", "counts"),
    [(0.05, 0.05, False), (0.05, 0.9, True), (0.9, 0.05, True)],
)
def test_points_count_where_one_side_finds_them_likely(
    tmp_path: Path, their_likelihood: float, our_likelihood: float, counts: bool
) -> None:
    poses = wandering_poses()
    poses[2, 0, 2] = their_likelihood
    moved = poses.copy()
    moved[2, 0] += (7, 0, our_likelihood - their_likelihood)
    write_poses(tmp_path / "a.h5", poses)
    write_poses(tmp_path / "b.h5", moved)

    difference_px = same_job._largest_difference_px(tmp_path / "a.h5", tmp_path / "b.h5")

    assert difference_px == pytest.approx(7 if counts else 0)


def test_a_lost_pose_is_another_result(tmp_path: Path, work: Path) -> None:
    poses = wandering_poses()
    lost = poses.copy()
    lost[4] = np.nan

    with pytest.raises(DifferentResultsError, match="up to nan px apart"):
        run_pairs("it", Sides(tmp_path, poses, lost).command, work, repeats=1)


def test_a_lost_row_is_another_result(tmp_path: Path, work: Path) -> None:
    poses = wandering_poses()

    with pytest.raises(DifferentResultsError, match="6 × 6 and 5 × 6"):
        run_pairs("it", Sides(tmp_path, poses, poses[:-1]).command, work, repeats=1)


@pytest.mark.parametrize(
    ("side", "name", "told"),
    [
        ("deeplabcut", "movieDLC_filtered_labeled.mp4", r"DeepLabCut wrote no \*_labeled\.mp4"),
        ("deeplabcut", "plot-poses/movie/hist_filtered.png", "DeepLabCut wrote no hist_filtered"),
        ("posestream", "dlc_annotations.parquet", r"posestream wrote no dlc_annotations\.parquet"),
    ],
)
@pytest.mark.parametrize("is_empty", [True, False])
def test_a_missing_output_is_another_job(
    tmp_path: Path, work: Path, side: str, name: str, told: str, is_empty: bool
) -> None:
    sides = Sides(tmp_path, wandering_poses(), wandering_poses())
    path = sides.outputs[side] / name
    path.unlink()
    if is_empty:  # DeepLabCut leaves such a movie where its OpenCV lacks the encoder
        path.touch()

    with pytest.raises(DifferentResultsError, match=told):
        run_pairs("it", sides.command, work, repeats=1)


def test_a_side_that_fails_ends_the_benchmark(tmp_path: Path, work: Path) -> None:
    sides = Sides(tmp_path, wandering_poses(), wandering_poses())

    with pytest.raises(CommandError, match="no such side"):
        run_pairs("it", lambda *_: ["sh", "-c", "echo no such side; exit 3"], work, repeats=1)

    assert sides.log.read_text() == ""
    assert list(work.iterdir()) == []


def test_ratios_are_taken_within_pairs() -> None:
    measured = {
        "deeplabcut": [Measured(s, 0, 400, 0) for s in (30, 20, 90)],
        "posestream": [Measured(s, 0, 100, 0) for s in (10, 10, 20)],
    }

    assert ratios(measured, "wall_s") == {
        "median": 3,
        "min": 2,
        "max": 4.5,
        "pairs": [3, 2, 4.5],
    }
    assert ratios(measured, "peak_mib")["median"] == 4


def executable(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_both_sides_get_the_same_movie_and_the_same_network(tmp_path: Path, work: Path) -> None:
    sides = Sides(tmp_path, wandering_poses(), wandering_poses())
    theirs, ours = (sides.outputs[side] for side in ("deeplabcut", "posestream"))
    benchmark = Benchmark(
        shared=tmp_path / "shared",
        peer_python=executable(
            tmp_path / "python", f'echo "$1 $2 $3" >> {sides.log}; cp -r {theirs} "$4"'
        ),
        posestream=executable(
            tmp_path / "posestream", f'echo "$1 $2 $3 $4 $5" >> {sides.log}; cp -r {ours} "$6"'
        ),
        work=work,
        repeats=1,
    )
    scenario = Scenario(
        small_movie(tmp_path / "a.avi"), 10, Network(tmp_path / "project", tmp_path / "export")
    )

    result = benchmark.compare("it", scenario)

    movie = work / "it-10.avi"
    assert sides.log.read_text().splitlines() == [
        f"{tmp_path}/shared/peer/run_deeplabcut.py {tmp_path}/project {movie}",
        f"run {movie} --model {tmp_path}/export --output-dir",
    ]
    assert json.loads(json.dumps(result)) == result
    assert list(result) == [
        "num_frames",
        "width",
        "height",
        "deeplabcut",
        "posestream",
        "wall_ratio",
        "memory_ratio",
        "largest_difference_px",
    ]
    assert (result["num_frames"], result["width"], result["height"]) == (10, WIDTH, HEIGHT)
    assert result["largest_difference_px"] == 0


@pytest.mark.slow
def test_results_are_written_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = Sides(tmp_path, wandering_poses(), wandering_poses())
    shared, versions = tmp_path / "shared", '{"deeplabcut": "2.3.11"}'
    for folder in ("data/openfield", "peer/openfield-project", "models/openfield-mobilenet"):
        (shared / folder).mkdir(parents=True)
    small_movie(peer.scenarios(shared)["openfield"].movie)
    (tmp_path / "bin").mkdir()
    executable(
        tmp_path / "bin/python",
        f"if [ $1 = -c ]; then echo '{versions}'; "
        f'else cp -r {sides.outputs["deeplabcut"]} "$4"; fi',
    )
    ours = executable(tmp_path / "posestream", f'cp -r {sides.outputs["posestream"]} "$6"')
    monkeypatch.setattr(peer, "SHARED", shared)
    monkeypatch.setattr(peer, "POSESTREAM", ours)
    options = {"--peer": tmp_path, "--json": tmp_path / "peer.json", "--repeats": 2, "--frames": 5}

    arguments = [str(word) for option in options.items() for word in option]
    assert main([*arguments, "openfield"]) == 0

    report = json.loads((tmp_path / "peer.json").read_text())
    assert list(report) == ["machine", "peer", "date", "scenarios"]
    assert report["peer"] == {"deeplabcut": "2.3.11"}
    assert report["machine"]["num_cores"] >= 1
    assert list(report["scenarios"]) == ["openfield"]
    result = report["scenarios"]["openfield"]
    assert result["num_frames"] == 5
    assert len(result["deeplabcut"]) == len(result["posestream"]) == 2
    assert table("openfield", result) in capsys.readouterr().out


def test_the_table_shows_medians_and_the_range_of_ratios() -> None:
    def runs(*walls_s: float) -> list[dict[str, float]]:
        return [{"wall_s": s, "core_s": 2 * s, "peak_mib": 10 * s} for s in walls_s]

    ratio = {"median": 3.0, "min": 2.0, "max": 4.5, "pairs": [3.0, 2.0, 4.5]}
    lines = table(
        "it",
        {
            "num_frames": 10,
            "width": 640,
            "height": 480,
            "deeplabcut": runs(30, 20, 90),
            "posestream": runs(10, 10, 20),
            "wall_ratio": ratio,
            "memory_ratio": ratio,
            "largest_difference_px": 0.00012,
        },
    ).splitlines()

    assert lines[0] == "it: 10 frames of 640 × 480, poses within 1.2e-04 px"
    assert [line.split() for line in lines[1:]] == [
        ["wall", "s", "core", "s", "peak", "MiB"],
        ["DeepLabCut", "30.0", "60.0", "300.0"],
        ["posestream", "10.0", "20.0", "100.0"],
        ["ratio", "3.00", "(2.00–4.50)", "3.00", "(2.00–4.50)"],
    ]


def test_an_environment_that_is_not_there_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--peer", str(tmp_path / "nowhere")]) == 2

    assert capsys.readouterr().out == (
        f"peer benchmark: {tmp_path}/nowhere/bin/python is needed and is not there\n"
    )


def test_recordings_that_are_not_there_are_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    executable(tmp_path / "bin/python", "exit 0")
    monkeypatch.setattr(peer, "SHARED", tmp_path / "shared")

    assert main(["--peer", str(tmp_path), "openfield"]) == 2

    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert f"{tmp_path}/shared/peer is needed and is not there" in told


def test_an_environment_without_deeplabcut_is_not_measured(tmp_path: Path) -> None:
    benchmark = Benchmark(
        shared=tmp_path,
        peer_python=executable(tmp_path / "python", "exit 1"),
        posestream=tmp_path / "posestream",
        work=tmp_path,
        repeats=1,
    )

    with pytest.raises(peer.NotThereError, match="does not run DeepLabCut"):
        benchmark.peer_versions()


@pytest.mark.parametrize("arguments", [["no-such-scenario"], ["--repeats", "0"], ["--frames", "x"]])
def test_arguments_are_checked(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--peer", "nowhere", *arguments])

    assert caught.value.code == 2


def test_the_process_that_measures_imports_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import benchmarks.peer\n"
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(names - sys.stdlib_module_names - {'__mp_main__'}))"
    )
    done = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "['benchmarks']"
