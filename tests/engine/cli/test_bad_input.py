"""Bad input: exit code 2, one line that names value and rule, nothing touched."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from tests.exports import BUILT_IN_CONFIG, BUILT_IN_GRAPH, export_folder, graph_of, names
from tests.small_movies import small_movie


class Refusal:
    """Runs the command with something wrong, and checks how it says so."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.output_dir = folder, folder / "output"
        self._capsys = capsys

    def __call__(self, *arguments: object) -> str:
        before = self._files()
        assert main([str(argument) for argument in arguments]) == 2
        output, errors = self._capsys.readouterr()
        assert output == ""
        assert self._files() == before
        (line,) = errors.splitlines()
        assert line.startswith("posestream: ")
        return line

    def of_run(self, *arguments: object) -> str:
        return self("run", "--output-dir", self.output_dir, *arguments)

    def _files(self) -> list[tuple[Path, int]]:
        return sorted((path, path.lstat().st_mtime_ns) for path in self.folder.rglob("*"))


@pytest.fixture
def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refusal:
    return Refusal(tmp_path, capsys)


# Movies


def test_a_movie_that_is_not_there(refusal: Refusal) -> None:
    path = refusal.folder / "none.mp4"
    assert f"{path}: there is no such file" in refusal.of_run(path)


def test_a_directory_instead_of_a_movie(refusal: Refusal) -> None:
    assert "is a directory, not a movie file" in refusal.of_run(refusal.folder)


def test_a_name_that_no_file_can_have(refusal: Refusal) -> None:
    assert "cannot be read (File name too long)" in refusal.of_run("m" * 300 + ".mp4")


@pytest.mark.parametrize("suffix", ["mp4", "avi", "isxb"])
def test_an_empty_movie(refusal: Refusal, suffix: str) -> None:
    (refusal.folder / f"movie.{suffix}").touch()
    assert "is empty" in refusal.of_run(refusal.folder / f"movie.{suffix}")


def test_what_is_no_movie(refusal: Refusal) -> None:
    (refusal.folder / "movie.mov").write_bytes(b"%PDF-1.7 " + bytes(100))
    message = refusal.of_run(refusal.folder / "movie.mov")
    assert "movie.mov: cannot be read as a movie: it is a PDF document" in message


@pytest.mark.parametrize("suffix", ["mp4", "avi", "isxb"])
def test_text_renamed_to_a_movie(refusal: Refusal, suffix: str) -> None:
    path = refusal.folder / f"movie.{suffix}"
    path.write_text("Not a movie. " * 100)
    assert str(path) in refusal.of_run(path)


@pytest.mark.parametrize("suffix", ["mp4", "avi", "isxb"])
@pytest.mark.parametrize("size", [20, 95, 200])
def test_a_truncated_header(refusal: Refusal, movies: Path, size: int, suffix: str) -> None:
    path = refusal.folder / f"cut.{suffix}"
    path.write_bytes((movies / f"movie.{suffix}").read_bytes()[:size])
    assert str(path) in refusal.of_run(path)


def test_mixed_formats(refusal: Refusal, movies: Path) -> None:
    message = refusal.of_run(movies / "movie.mp4", movies / "movie.isxb")
    assert "must be .isxb if one is, got .isxb" in message
    assert "movie.mp4" in message


def test_a_series_whose_sizes_differ(refusal: Refusal, movies: Path) -> None:
    message = refusal.of_run(movies / "movie.isxb", movies / "later.isxb")
    assert "must agree in size" in message
    assert "128 x 96" in message
    assert "64 x 96" in message


def damaged(source: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy an .isxb movie with changed session metadata."""
    content = source.read_bytes()
    offset, size = struct.unpack("<12q", content[:96])[10:]
    session = json.loads(content[offset : offset + size])
    change(session)
    text = json.dumps(session).encode()
    header = content[:88] + struct.pack("<q", len(text))
    target.write_bytes(header + content[96:offset] + text)
    return target


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda s: s["spacingInfo"]["numPixels"].update(x=130), "130 x 96 pixels, its first pic"),
        (lambda s: s["spacingInfo"]["numPixels"].update(x=float("inf")), "session metadata cannot"),
        (lambda s: s["spacingInfo"].update(numPixels=None), "session metadata cannot be read"),
        (lambda s: s["timingInfo"]["period"].update(den=0), "session metadata cannot be read"),
        (lambda s: s["timingInfo"]["period"].update(num=-1), "claims -0.1 s from frame to frame"),
        (lambda s: s["timingInfo"].update(period=[1, 2]), "session metadata cannot be read"),
    ],
    ids=["size", "endless size", "no size", "no denominator", "negative period", "list"],
)
def test_isxb_metadata_that_does_not_match(
    refusal: Refusal, movies: Path, change: Callable[[dict[str, Any]], object], rule: str
) -> None:
    path = damaged(movies / "movie.isxb", refusal.folder / "movie.isxb", change)
    assert f"{path}: " in refusal.of_run(path)
    assert rule in refusal.of_run(path)


def test_an_isxb_header_that_counts_other_frames(refusal: Refusal, movies: Path) -> None:
    content = bytearray((movies / "movie.isxb").read_bytes())
    content[32:40] = struct.pack("<q", 7)
    path = refusal.folder / "movie.isxb"
    path.write_bytes(content)
    assert "its header counts 7 frames, its metadata 4" in refusal.of_run(path)


# Parameters


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("--window-length", "4", "window length 4: must be odd, or 0 or 1 for no filter"),
        ("--window-length", "-3", "window length -3: must be a whole number from 0"),
        ("--window-length", "five", "'five': must be a whole number"),
        ("--window-length", "2.5", "'2.5': must be a whole number"),
        ("--window-length", "9" * 20, "must be a whole number from 0 to 1000000"),
        ("--crop-rect", "0,0,129,96", "0,0,129,96 (left,top,width,height) reaches beyond"),
        ("--crop-rect", "100,0,64,64", "which are 128 x 96 pixels"),
        ("--crop-rect", "0,0,0,10", "crop rectangle 0,0,0,10: left and top must be 0 or more"),
        ("--crop-rect", "-1,0,10,10", "crop rectangle -1,0,10,10: left and top must be 0 or more"),
        ("--crop-rect", "1,2,3", "'1,2,3': must be four whole numbers LEFT,TOP,WIDTH,HEIGHT"),
        ("--crop-rect", "0,0,1e2,5", "'0,0,1e2,5': must be four whole numbers"),
        ("--displayed-body-parts", "noze", "unknown body part 'noze' (did you mean nose?)"),
        ("--displayed-body-parts", "nose,", "unknown body part ''"),
        ("--displayed-body-parts", "x", "the model knows tail_tip, tail_base, R_hind"),
        ("--color-map", "rainbw", "color map 'rainbw': must be a name of matplotlib's"),
        ("--color-map", "rainbw", "did you mean rainbow"),
        ("--p-cutoff", "1.01", "p-cutoff 1.01: must be a number from 0 to 1"),
        ("--p-cutoff", "-1e-3", "p-cutoff -0.001: must be a number from 0 to 1"),
        ("--p-cutoff", "nan", "p-cutoff nan: must be a number from 0 to 1"),
        ("--p-cutoff", "half", "'half': must be a number"),
        ("--dot-size", "-1", "dot size -1: must be a whole number from 0"),
        ("--trail-points", "-1", "trail points -1: must be a whole number from 0"),
        ("--trail-points", "9" * 20, "must be a whole number from 0 to 1000000"),
        ("--batch-size", "0", "batch size 0: must be a whole number from 1"),
        ("--batch-size", "many", "'many': must be a whole number, or auto"),
        ("--output-frame-rate", "-20", "output frame rate -20.0: must be a number of frames per"),
        ("--output-frame-rate", "0", "output frame rate 0.0: must be"),
        ("--output-frame-rate", "nan", "from 1/600 to 1000000"),
        ("--output-frame-rate", "-inf", "output frame rate -inf: must be"),
        ("--output-frame-rate", "1e9", "output frame rate 1000000000.0: must be"),
        ("--experiment-annotations-format", "xlsx", "'xlsx': allowed are parquet, csv"),
        ("--runtime", "cuda", "runtime 'cuda': allowed are auto, tensorflow, openvino"),
        ("--coordinates", "frame", "coordinates 'frame': allowed are crop, movie"),
        ("--skeleton", "nose", "skeleton 'nose': must be two body parts joined by a hyphen"),
        ("--skeleton", "nose-neck,neck-tail", "skeleton 'neck-tail': must be two body parts"),
        ("--skeleton", "none.yaml", "none.yaml: cannot be read (No such file or directory)"),
        ("--model", "", "'': must be a path"),
    ],
)
def test_a_value_that_breaks_its_rule(
    refusal: Refusal, movie: Path, option: str, value: str, rule: str
) -> None:
    assert rule in refusal.of_run(movie, option, value)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("skeleton: [[nose, ear]]", "skeleton: unknown body part 'ear'"),
        ("skeleton: nose-neck", "must hold a 'skeleton:' of pairs of body parts"),
        ("skeleton: [[nose]]", "must hold a 'skeleton:' of pairs of body parts"),
        ("Task: reaching", "must hold a 'skeleton:' of pairs of body parts"),
        ("[", "must hold a 'skeleton:' of pairs of body parts"),
        ("skeleton: [[nose, neck]]\nskeleton_color: blakc", "skeleton_color 'blakc' must be"),
    ],
)
def test_a_broken_config_yaml(refusal: Refusal, movie: Path, text: str, rule: str) -> None:
    path = refusal.folder / "config.yaml"
    path.write_text(text)
    assert rule in refusal.of_run(movie, "--draw-skeleton", "--skeleton", path)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--frames", "0"], "frames 0: must be a whole number from 1"),
        (["--frames", "-5"], "frames -5: must be a whole number from 1"),
        (["--json", "none/bench.json"], "none/bench.json: its directory does not exist"),
        (["--json", "."], ": cannot be written"),
        (["--json", ""], "'': must be a path"),
        (["--model", "none"], "none: there is no such folder"),
        (["--runtime", "cuda"], "runtime 'cuda': allowed are auto, tensorflow, openvino"),
        (["--batch-size", "0"], "batch size 0: must be a whole number from 1"),
        (["--window-length", "4"], "window length 4: must be odd"),
        (["--crop-rect", "0,0,129,96"], "0,0,129,96 (left,top,width,height) reaches beyond"),
        (["--displayed-body-parts", "noze"], "unknown body part 'noze' (did you mean nose?)"),
    ],
)
def test_a_benchmark_refuses_before_it_measures(
    refusal: Refusal,
    movie: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    rule: str,
) -> None:
    def measure(*_: object, **__: object) -> None:
        pytest.fail("something was measured")

    monkeypatch.setattr("engine.bench.measurement.run_in_child", measure)
    monkeypatch.chdir(refusal.folder)
    assert rule in refusal("bench", movie, "--model", "null", *options)


# Models


def test_a_model_that_is_not_there(refusal: Refusal, movie: Path) -> None:
    assert "there is no such folder" in refusal.of_run(movie, "--model", refusal.folder / "none")


def test_a_model_without_settings(refusal: Refusal, movie: Path) -> None:
    model = export_folder(refusal.folder / "model")
    (model / "pose_cfg.yaml").unlink()
    assert "pose_cfg.yaml, found none" in refusal.of_run(movie, "--model", model)


def test_a_model_without_a_graph(refusal: Refusal, movie: Path) -> None:
    model = export_folder(refusal.folder / "model")
    (model / BUILT_IN_GRAPH.name).unlink()
    assert "one .pb file, found none" in refusal.of_run(movie, "--model", model)


def test_a_model_with_two_graphs(refusal: Refusal, movie: Path) -> None:
    model = export_folder(refusal.folder / "model")
    (model / "snapshot-1.pb").touch()
    assert "one .pb file, found snapshot-1.pb, " in refusal.of_run(movie, "--model", model)


@pytest.mark.often(1)
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_a_model_with_another_projects_graph(refusal: Refusal, movie: Path, runtime: str) -> None:
    parts = BUILT_IN_CONFIG["all_joints_names"][:7]
    model = export_folder(refusal.folder / "model", all_joints_names=parts)
    message = refusal.of_run(movie, "--model", model, "--runtime", runtime)
    assert "the export names 7 body parts, the graph has 8" in message


@pytest.mark.parametrize(
    ("graph", "rule"),
    [
        (b"not a graph", "is not a frozen TensorFlow graph"),
        (graph_of([("Placeholder", "Placeholder"), ("out", "Relu")]), "is no DeepLabCut export"),
        (graph_of([("Placeholder", "Placeholder"), ("concat_1", "Nonsense")]), "cannot"),
    ],
    ids=["no graph", "another graph", "cannot run"],
)
def test_a_graph_that_is_no_model(refusal: Refusal, movie: Path, graph: bytes, rule: str) -> None:
    model = export_folder(refusal.folder / "model", graph, all_joints_names=names(2))
    assert rule in refusal.of_run(movie, "--model", model)


def test_no_bottom_view_skeleton_for_other_body_parts(refusal: Refusal, movie: Path) -> None:
    model = export_folder(refusal.folder / "model", all_joints_names=names(8))
    message = refusal.of_run(movie, "--model", model, "--draw-skeleton")
    assert "are not those of the bottom view; say which to connect" in message


# Output directories


def test_an_output_directory_that_holds_results(refusal: Refusal, movie: Path) -> None:
    refusal.output_dir.mkdir()
    (refusal.output_dir / "hist.3.svg").touch()
    assert f"{refusal.output_dir}: already holds results (hist.3.svg)" in refusal.of_run(movie)


def test_an_output_directory_that_is_a_file(refusal: Refusal, movie: Path) -> None:
    refusal.output_dir.touch()
    assert f"output directory {refusal.output_dir}: is a file" in refusal.of_run(movie)


@pytest.mark.parametrize("place", ["file/below", "dangling", "n" * 300, "/proc/new", "/proc"])
def test_an_output_directory_that_cannot_be_written(
    refusal: Refusal, movie: Path, place: str
) -> None:
    if place.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("needs a file system that nobody can write to")
    (refusal.folder / "file").touch()
    (refusal.folder / "dangling").symlink_to(refusal.folder / "nowhere")
    path = refusal.folder / place
    message = refusal("run", movie, "--output-dir", path)
    assert f"output directory {path}: cannot be written to" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_an_output_directory_without_permission(refusal: Refusal, movie: Path) -> None:
    refusal.output_dir.mkdir(mode=0o500)
    assert "cannot be written to (Permission denied)" in refusal.of_run(movie)


def test_a_movie_that_a_result_would_replace(refusal: Refusal) -> None:
    refusal.output_dir.mkdir()
    movie = small_movie(refusal.output_dir / "dlc_labeled_movie.0.mp4")
    message = refusal.of_run(movie, "--overwrite")
    assert f"{movie}: is to be read and would be overwritten" in message


# Command lines and input files


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ([], "required: COMMAND"),
        (["walk"], "invalid choice: 'walk'"),
        (["run"], "no output directory was given; say where with --output-dir DIR"),
        (["run", "--output-dir", "somewhere"], "no movie was given"),
        (["run", "--output-dir", ""], "'': must be a path"),
        (["run", "m.mp4", "--output-dir", "somewhere", "--crop", "a"], "arguments: --crop a"),
        (["run", "m.mp4", "--gpu"], "unrecognized arguments: --gpu"),
        (["run", "--window-length"], "--window-length: expected one argument"),
        (["bench"], "required: MOVIE"),
        (["bench", "a.avi", "b.avi"], "unrecognized arguments: b.avi"),
        (["bench", "nothing.avi"], "nothing.avi: there is no such file"),
        (["bench", "a.avi", "--frames", "some"], "--frames: 'some': must be a whole number"),
        (["bench", "a.avi", "--output-dir", "o"], "unrecognized arguments: --output-dir o"),
        (["inspect"], "required: PATH"),
        (["inspect", "nothing.avi"], "nothing.avi: there is no such file"),
        (["inspect", str(Path(__file__).parent)], "exactly one .pb file, found none"),
    ],
)
def test_a_command_line_that_cannot_be_used(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch, arguments: list[str], rule: str
) -> None:
    monkeypatch.chdir(refusal.folder)
    assert rule in refusal(*arguments)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("window_length = 5", "is not JSON"),
        ("[5]", "must hold a JSON object of parameters"),
        ('{"window_lenght": 5}', "unknown parameter 'window_lenght'; did you mean window_length?"),
        ('{"window_length": 4}', "window length 4: must be odd"),
        ('{"crop_rect": [{"left": 1}]}', "crop_rect must be one rectangle with left, top"),
    ],
)
def test_an_input_file_that_cannot_be_used(
    refusal: Refusal, movie: Path, content: str | None, rule: str
) -> None:
    path = refusal.folder / "inputs.json"
    if content is not None:
        path.write_text(content)
    assert rule in refusal.of_run(movie, "--inputs", path)


# What goes well
