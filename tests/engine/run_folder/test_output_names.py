"""Where outputs go, and what may be written there."""

import os
from pathlib import Path

import pytest

from engine.run_folder.output_names import OutputDirectory
from engine.runs.job_sinks import output_directory
from readers import InputError, MovieInfo, inspect_movie
from tests.small_movies import small_movie

NAMES = [
    "dlc_annotations.csv",
    "dlc_annotations.parquet",
    "dlc_labeled_movie.1.mp4",
    "dlc_pose_estimates.1.h5",
    "hist.1.svg",
    "output_metadata.json",
    "plot-likelihood.1.svg",
    "plot.1.svg",
    "trajectory.1.png",
]
OTHERS = [
    "notes.txt",
    "dlc_annotations.xlsx",
    "dlc_annotations_parquet",
    "hist.svg",
    "hist.one.svg",
    "my_plot.1.svg",
    "dlc_annotations.parquet.bak",
]


@pytest.fixture
def outputs(tmp_path: Path) -> OutputDirectory:
    return output_directory(tmp_path / "output")


def test_names_are_the_reference_tools(outputs: OutputDirectory) -> None:
    kinds = ("csv", "parquet")
    names = {name.format(movie=1, format=kind) for name in outputs.names for kind in kinds}
    assert sorted(names | {outputs.metadata.name}) == NAMES


def test_results_are_told_from_other_files(outputs: OutputDirectory) -> None:
    assert outputs.results() == []
    outputs.path.mkdir()
    for name in NAMES + OTHERS:
        (outputs.path / name).touch()

    assert outputs.results() == [outputs.path / name for name in NAMES]


def test_a_directory_that_is_new_empty_or_full_of_other_files_may_be_written(
    outputs: OutputDirectory,
) -> None:
    outputs.check([], overwrite=False)
    assert not outputs.path.exists()
    outputs.path.mkdir()
    outputs.check([], overwrite=False)
    for name in OTHERS:
        (outputs.path / name).touch()
    outputs.check([], overwrite=False)
    assert sorted(path.name for path in outputs.path.iterdir()) == sorted(OTHERS)


@pytest.mark.parametrize("name", NAMES)
def test_results_are_not_overwritten_unless_asked(outputs: OutputDirectory, name: str) -> None:
    outputs.path.mkdir()
    (outputs.path / name).touch()
    with pytest.raises(InputError, match=f"already holds results \\({name}\\)"):
        outputs.check([], overwrite=False)
    outputs.check([], overwrite=True)
    assert (outputs.path / name).exists()


def read_and_written(outputs: OutputDirectory, name: str) -> MovieInfo:
    outputs.path.mkdir()
    movie = small_movie(outputs.path / "dlc_labeled_movie.0.mp4")
    link = outputs.path.parent / "link.mp4"
    link.symlink_to(movie)
    return inspect_movie(link if name == "link" else movie)


@pytest.mark.parametrize("name", ["itself", "link"])
def test_a_movie_is_not_overwritten_by_its_own_results(outputs: OutputDirectory, name: str) -> None:
    movie = read_and_written(outputs, name)
    with pytest.raises(InputError, match="would be overwritten as a result"):
        outputs.check([movie], overwrite=True)


def test_a_file_is_no_directory(outputs: OutputDirectory) -> None:
    outputs.path.touch()
    with pytest.raises(InputError, match="is a file"):
        outputs.check([], overwrite=True)


@pytest.mark.parametrize("name", ["file/below", "n" * 300, "/proc/new"])
def test_a_place_where_nothing_can_be_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    if name.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("needs a file system that nobody can write to")
    with pytest.raises(InputError, match="cannot be written to"):
        output_directory(tmp_path / name).check([], overwrite=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
@pytest.mark.parametrize("name", [".", "below"])
def test_a_place_without_permission(tmp_path: Path, name: str) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(InputError, match="cannot be written to"):
        output_directory(closed / name).check([], overwrite=False)


def test_making_tells_which_directories_are_new(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    outputs = output_directory(tmp_path / "old" / "new" / "output")

    assert outputs.make() == [outputs.path, outputs.path.parent]
    assert outputs.path.is_dir()
    assert outputs.make() == []


def test_a_directory_that_cannot_be_made_is_the_users_to_change(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be written to"):
        output_directory(tmp_path / "dangling").make()


def test_only_results_that_were_not_written_again_are_removed(outputs: OutputDirectory) -> None:
    outputs.path.mkdir()
    for name in NAMES + OTHERS:
        (outputs.path / name).touch()
    written = [outputs.path / name for name in NAMES[2:]]

    outputs.remove_results_except(written)

    assert outputs.results() == written
    assert all((outputs.path / name).exists() for name in OTHERS)
