"""Files that options name: each is written there, and no file of the user is lost."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.builtin import MODEL_DIR
from engine.cli import main
from engine.run_folder.output_names import check_replaceable, write_marked
from engine.runs.job_sinks import output_directory
from readers import InputError
from sinks import OutputError
from tests.small_movies import small_movie


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the working directory of a user who has a movie, a model, and notes."""
    monkeypatch.chdir(tmp_path)
    small_movie(tmp_path / "movie.avi")
    shutil.copytree(MODEL_DIR, tmp_path / "model")
    (tmp_path / "notes.json").write_text('{"made_by": "me"}')
    (tmp_path / "empty").touch()
    (tmp_path / "link.json").symlink_to("movie.avi")
    os.link(tmp_path / "movie.avi", tmp_path / "again.json")
    (tmp_path / "circle.json").symlink_to("circle.json")
    os.mkfifo(tmp_path / "pipe")
    write_marked(tmp_path / "bench.json", "bench", {})
    write_marked(tmp_path / "status.json", "live", {})
    (tmp_path / ".mine.partial").write_text("mine")
    (tmp_path / "out").mkdir()
    return tmp_path


def contents(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else path.lstat().st_mode
        for path in folder.rglob("*")
    }


Refused = Callable[..., str]


@pytest.fixture
def refused(place: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    def refused(*arguments: str) -> str:
        before = contents(place)
        assert main(arguments) == 2
        assert contents(place) == before
        output, errors = capsys.readouterr()
        assert output == ""
        (line,) = errors.splitlines()
        return line

    return refused


NOT_OURS = [
    "movie.avi",
    "model/pose_cfg.yaml",
    f"model/{next(MODEL_DIR.glob('*.pb')).name}",
    "notes.json",
    "empty",
    "link.json",
    "again.json",
    "circle.json",
    "pipe",
    "mine",
    "model",
    ".",
    "none/status.json",
    "n" * 250,
    "n" * 300,
    "/dev/null",
]


@pytest.mark.parametrize("name", [*NOT_OURS, "bench.json"])
def test_a_status_replaces_nothing_that_is_not_one(refused: Refused, name: str) -> None:
    line = refused("live", "movie.avi", "--output-dir", "out", "--status", name)
    assert line.startswith("posestream: status ")


@pytest.mark.parametrize("name", [*NOT_OURS, "status.json"])
def test_a_benchmark_replaces_nothing_that_is_none(refused: Refused, name: str) -> None:
    line = refused("bench", "movie.avi", "--model", "null", "--json", name)
    assert line.startswith("posestream: json ")


@pytest.mark.parametrize(
    ("source", "output_dir", "options"),
    [
        ("later.avi", "out", ["--status", "later.avi"]),  # nothing is there yet
        ("later.avi", "out", ["--publish", "unix:later.avi"]),
        ("later.avi", "out", ["--publish", "zmq:ipc://later.avi"]),
        (".", "out", ["--status", "next.avi"]),
        ("later.avi", "out", ["--status", "out/output_metadata.json"]),
        ("later.avi", "out", ["--status", "out/dlc_labeled_movie.0.mp4"]),
        ("later.avi", "out", ["--status", "out/recording.0.mkv"]),
        ("later.avi", "out", ["--status", "out/unfinished-run"]),
        ("later.avi", "new", ["--status", "new"]),
        ("later.avi", "out", ["--publish", "unix:out/trajectory.0.png"]),
        ("later.avi", "out", ["--status", "same", "--publish", "unix:same"]),
        ("later.avi", "out", ["--publish", "unix:same", "--publish", "zmq:ipc://./same"]),
        ("later.avi", "out", ["--publish", "unix:movie.avi"]),
        ("later.avi", "out", ["--publish", "zmq:ipc://movie.avi"]),
        ("out/dlc_labeled_movie.0.mp4", "out", []),
        ("out/unfinished-run/later.avi", "out", []),
        ("later.avi", "out", ["--model", "model", "--status", "model/other.pb"]),
    ],
)
def test_a_live_run_writes_no_two_things_in_one_place(
    refused: Refused, source: str, output_dir: str, options: list[str]
) -> None:
    if any("zmq" in option for option in options):
        pytest.importorskip("zmq")
    refused("live", source, "--output-dir", output_dir, *options)


def test_an_input_file_is_not_overwritten_by_results(place: Path, refused: Refused) -> None:
    (place / "out/output_metadata.json").write_text('{"movie_files": ["../movie.avi"]}')
    for command in (["run"], ["live", "movie.avi"]):
        line = refused(
            *command, "--inputs", "out/output_metadata.json", "--output-dir", "out", "--overwrite"
        )
        assert "is to be read and would be overwritten as a result" in line


@pytest.mark.parametrize(
    "name", ["unfinished-run/movie.avi", "dlc_labeled_movie.0.avi/../hist.0.svg"]
)
def test_a_movie_is_not_removed_with_what_a_run_replaces(tmp_path: Path, name: str) -> None:
    (tmp_path / "dlc_labeled_movie.0.avi").mkdir()
    with pytest.raises(InputError, match="would be overwritten as a result"):
        output_directory(tmp_path).check_apart([tmp_path / name])


def test_a_movie_to_which_a_result_leads_is_not_overwritten(tmp_path: Path) -> None:
    movie = small_movie(tmp_path / "movie.avi")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/dlc_labeled_movie.0.mp4").symlink_to(movie)
    with pytest.raises(InputError, match="would be overwritten as a result"):
        output_directory(tmp_path / "out").check_apart([movie])


def test_other_files_may_stand_in_the_output_directory(tmp_path: Path) -> None:
    named = [tmp_path / "status.json", tmp_path / "poses.sock"]
    movies = [tmp_path / "movie.avi", tmp_path / "recording.0.mkv", tmp_path / "rec"]
    output_directory(tmp_path).check_apart(movies, [*named, tmp_path / "rec/status.json"])


@pytest.mark.parametrize("left", [b"", b'{\n "made', b'{\n "made_by": "posestream live",\n "ti'])
def test_ours_is_replaced_also_what_a_killed_run_has_left(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "status.json"
    check_replaceable("status", path, "live")
    write_marked(path, "live", {"number": 1})
    (tmp_path / ".status.json.partial").write_bytes(left)
    check_replaceable("status", path, "live")
    write_marked(path, "live", {"number": 2})

    assert json.loads(path.read_text()) == {"made_by": "posestream live", "number": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(tmp_path / "there")
    check_replaceable("status", tmp_path / "here", "live")
    write_marked(tmp_path / "here", "live", {})
    assert (tmp_path / "here").is_symlink()
    assert (tmp_path / "there").is_file()


def test_a_folder_that_came_in_the_meantime_stays(tmp_path: Path) -> None:
    (tmp_path / "status.json").mkdir()
    with pytest.raises(OutputError):
        write_marked(tmp_path / "status.json", "live", {})
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]
