"""The command: exit codes, one line for what is wrong, and nothing left behind."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine import run
from engine.bench import measurement
from engine.builtin import MODEL_DIR
from engine.cli import main
from engine.job.job import Job, LiveOptions, help_of
from engine.machine.system import describe_machine
from engine.run_folder.journal import read_journal
from tests.engine.stopping import Loader
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import small_movie

OUTPUTS = sorted(OUTPUTS_OF_ONE_MOVIE)
DEADLINE_S = 60
NUM_SEEN_OF_DEMO = 197
"""Frames of the demo movie that were recorded."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, movies: Path) -> Path:
    """Outputs of a run whose input file asks for one thing and the command line for another."""
    folder = tmp_path_factory.mktemp("finished")
    inputs = {
        "movie_files": [str(movies / "movie.avi")],
        "output_dir": "results",
        "window_length": 3,
        "p_cutoff": 0.1,
        "crop_rect": [{"left": 8.0, "top": 4.0, "width": 64.4, "height": 63.6}],
    }
    (folder / "inputs.json").write_text(json.dumps(inputs))
    (folder / "config.yaml").write_text(yaml.safe_dump({"skeleton": [["nose", "neck"]]}))
    arguments = ["--inputs", folder / "inputs.json", "--window-length", "1", "--draw-skeleton"]
    arguments += ["--skeleton", folder / "config.yaml"]
    assert main(["run", *map(str, arguments)]) == 0
    return folder / "results"


def test_a_run_writes_its_outputs_and_nothing_else(finished: Path) -> None:
    assert sorted(path.name for path in finished.iterdir()) == OUTPUTS


def test_the_command_line_wins_over_the_input_file(finished: Path) -> None:
    metadata = json.loads((finished / "output_metadata.json").read_text())["posestream"]
    assert metadata["parameters"]["window_length"] == 1
    assert metadata["parameters"]["p_cutoff"] == 0.1
    assert metadata["crop_rect"] == {"left": 8, "top": 4, "width": 64, "height": 64}


def test_a_run_prints_its_outputs_and_progress_apart(
    finished: Path, movie: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = finished / "dlc_labeled_movie.5.mp4"
    stale.touch()
    options = ["--output-dir", str(finished), "--model", str(MODEL_DIR), "--overwrite"]
    options += ["--window-length", "3"]
    assert main(["run", str(movie), *options]) == 0
    output, errors = capsys.readouterr()
    assert output.splitlines() == [str(finished / name) for name in OUTPUTS]
    assert errors.splitlines()[0] == "movie.avi: 4 frames"
    assert errors.splitlines()[-1].startswith("movie.avi: 4/4 frames, ")
    assert not stale.exists()


def test_a_run_that_fails_says_why_in_one_line(
    tmp_path: Path, movie: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.runs.run.write_metadata", full)
    assert main(["run", str(movie), "--output-dir", str(tmp_path / "a" / "b")]) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("posestream: the run failed: OSError: ")
    assert line.endswith("No space left on device")
    assert not (tmp_path / "a" / "b" / "output_metadata.json").exists()


def test_inspect_prints_text_or_json(movies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(movies / "movie.isxb")]) == 0
    assert "frame rate                 10.0\n" in capsys.readouterr().out
    assert main(["inspect", str(MODEL_DIR), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["network"] == "mobilenet_v2_0.35"


# Benchmarks


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a benchmark measure for a moment only."""
    for name in ("STAGES_S", "INFERENCE_S", "WHOLE_JOB_S"):
        monkeypatch.setattr(measurement, name, 0.1)


@pytest.mark.slow
@pytest.mark.usefixtures("briefly")
def test_a_benchmark_prints_a_table_and_writes_json_with_machine_and_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small_movie(tmp_path / "movie.avi", num_frames=12)
    options = ["--model", "null", "--frames", "20", "--json", "bench.json"]

    assert main(["bench", "movie.avi", *options]) == 0

    output, errors = capsys.readouterr()
    lines = output.splitlines()
    assert lines[0] == "movie.avi: 128 x 96 pixels, 10 frames/s"
    assert lines[1].startswith("model: null (constant poses); cores: ")
    assert "whole job, 12 frames, all outputs" in lines
    note = (
        "the movie has 12 frames, fewer than the 20 asked for: "
        "the whole job was measured on all of them"
    )
    assert lines[-1] == f"note: {note}"
    assert [line.split(":")[0] for line in errors.splitlines()] == [
        *["stages one by one, for 0 s"] * 2,
        *["whole job"] * 2,
    ]
    content = json.loads((tmp_path / "bench.json").read_text())
    assert content["machine"] == describe_machine()
    assert content["movie"]["name"] == "movie.avi"
    assert content["notes"] == [note]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.json", "movie.avi"]


@pytest.mark.slow
@pytest.mark.usefixtures("briefly")
def test_a_benchmark_of_a_model_recommends_how_to_run_it(
    movie: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(MODEL_DIR), "--runtime", "openvino", "--batch-size", "2"]

    assert main(["bench", str(movie), *options, "--frames", "4"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert "model: model; cores: " in lines[1]
    assert any(line.startswith("inference, frames/s") for line in lines)
    assert lines[-1] == "recommended: --runtime openvino --batch-size 2"


@pytest.mark.parametrize("command", [[], ["run"], ["bench"], ["inspect"], ["demo"]])
def test_help_fits_a_terminal(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as raised:
        main([*command, "--help"])
    assert raised.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(" ".join(["usage: posestream", *command]))
    assert max(map(len, lines)) <= 80


def test_every_option_of_a_job_has_an_argument_and_a_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["live", "--help"])
    shown = capsys.readouterr().out
    for owner in (Job, LiveOptions):
        told = help_of(owner)
        assert list(told) == [one.name for one in fields(owner)]
        assert all(told.values())
        for name in told.keys() - {"movies", "source"}:
            assert f"--{name.removesuffix('_after_s').replace('_', '-')}" in shown


def posestream(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "import sys, engine.cli; sys.exit(engine.cli.main())"]
    return subprocess.Popen([*command, *map(str, arguments)], text=True, **options)  # noqa: S603 -- this project's own command


def test_a_reader_that_stops_reading_is_no_matter() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = posestream("inspect", MODEL_DIR, stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    assert process.communicate(timeout=DEADLINE_S)[1] == ""
    assert process.returncode == 1


# Interrupts


@pytest.fixture(scope="module")
def long_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a movie that takes far longer than it takes to interrupt it."""
    path = tmp_path_factory.mktemp("long") / "long.avi"
    return small_movie(path, width=480, height=360, num_frames=800)


def wait_for(is_there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    pause = threading.Event()
    for _ in range(DEADLINE_S * 100):
        if is_there():
            return
        assert process.poll() is None
        pause.wait(0.01)
    pytest.fail("nothing came of the run")


JOURNAL = "unfinished-run/poses.0.journal"


def holds_frames(journal: Path) -> bool:
    content = read_journal(journal)
    return content is not None and content.num_frames > 0


@pytest.mark.often(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_a_stopped_run_says_how_to_go_on(
    tmp_path: Path, long_movie: Path, runtime: str, number: signal.Signals
) -> None:
    output_dir = tmp_path / "made" / "output"
    process = posestream(
        *("run", long_movie, "--output-dir", output_dir),
        *("--model", MODEL_DIR, "--runtime", runtime),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: holds_frames(output_dir / JOURNAL), process)

    process.send_signal(number)
    output, errors = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 128 + number
    assert output == ""
    *progress, last = errors.splitlines()
    assert progress[0] == "long.avi: 800 frames"
    assert "stopping after the batch in hand; once more stops at once" in progress
    journal = read_journal(output_dir / JOURNAL)
    assert journal is not None
    hint = f"{journal.num_frames} frames are done and kept; go on with --resume"
    assert last == f"posestream: interrupted; {hint}"
    assert [path.name for path in output_dir.iterdir()] == ["unfinished-run"]


@pytest.mark.slow
def test_a_second_signal_stops_at_once_and_loses_nothing(tmp_path: Path, long_movie: Path) -> None:
    process = posestream(
        *("run", long_movie, "--output-dir", tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: holds_frames(tmp_path / JOURNAL), process)
    before = read_journal(tmp_path / JOURNAL)

    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        threading.Event().wait(0.005)
    output, errors = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 130
    assert output == ""
    assert errors.splitlines()[-1].startswith(("posestream: stopped at once", "posestream: inter"))
    after = read_journal(tmp_path / JOURNAL)
    assert before is not None
    assert after is not None
    assert after.num_frames >= before.num_frames


BUSY = """
import signal, sys
from contextlib import suppress
from engine.cli import command as cli

def busy(**_):
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    print("in good order")

cli._COMMANDS[sys.argv[1]] = busy
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ("arguments", "is_hurried"),
    [
        (["run", "movie.avi"], True),
        (["demo"], True),
        (["live", "movie.avi", "--output-dir", "out"], True),
        (["bench", "movie.avi"], False),
        (["inspect", "movie.avi"], False),
    ],
)
def test_a_second_signal_ends_at_once_what_can_be_gone_on_with(
    arguments: list[str], *, is_hurried: bool
) -> None:
    ended = subprocess.run(  # noqa: S603 -- this project's own command
        [sys.executable, "-c", BUSY, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    at_once = "posestream: stopped at once; what was durable is kept\n"
    expected = (130, "", at_once) if is_hurried else (0, "in good order\n", "")
    assert (ended.returncode, ended.stdout, ended.stderr) == expected


def test_a_signal_before_the_first_frame_leaves_nothing(tmp_path: Path, long_movie: Path) -> None:
    output_dir = tmp_path / "made" / "output"
    process = posestream(
        *("run", long_movie, "--output-dir", output_dir, "--runtime", "tensorflow"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: "tensorflow" in Path(f"/proc/{process.pid}/maps").read_text(), process)

    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 143
    assert errors.splitlines()[-1] == (
        "posestream: interrupted; nothing half written was left behind"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_earlier_results_alone(finished: Path, long_movie: Path) -> None:
    before = {path: path.read_bytes() for path in finished.iterdir()}
    process = posestream(
        *("run", long_movie, "--output-dir", finished, "--overwrite"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: holds_frames(finished / JOURNAL), process)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 130
    after = {path: path.read_bytes() for path in finished.iterdir() if path.is_file()}
    assert after == before


@pytest.mark.often(1)
@pytest.mark.parametrize("damage", ["", "cut off", "one bad picture"])
def test_strict_tells_of_damage_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = small_movie(tmp_path / "movie.isxb", num_frames=6)
    data = bytearray(path.read_bytes())
    if damage == "cut off":
        del data[data.index(b'{"', len(data) // 2) :]
    if damage == "one bad picture":
        last = data.rindex(b"\xff\xd8\xff")
        data[data.index(b"\xff\xc0", last) + 4] = 77  # a JPEG of 77 bits a sample
    path.write_bytes(data)

    for option, exit_code in (("--overwrite", 0), ("--strict", 3 if damage else 0)):
        command = ["run", str(path), "--output-dir", str(tmp_path / option), option]
        assert main(command) == exit_code
        assert len(capsys.readouterr().out.splitlines()) == len(OUTPUTS)
    # A run that had ended before says it again.
    assert main([*command, "--resume"]) == exit_code


def is_there(process_group: int) -> bool:
    try:
        os.killpg(process_group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.often(1)
@pytest.mark.parametrize("begun", ["", "outputs/.dlc_labeled_movie.0.segments"])
def test_an_interrupt_of_a_benchmark_leaves_no_file_and_no_process(
    tmp_path: Path, long_movie: Path, begun: str
) -> None:
    process = posestream(
        *("bench", long_movie, "--model", "null", "--json", tmp_path / "bench.json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    wait_for(lambda: any(tmp_path.glob(f"posestream-bench-*/{begun}")), process)

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, errors = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 130
    assert output == ""
    *progress, last = errors.splitlines()
    assert all(line.startswith("stages one by one, ") for line in progress)
    assert last == "posestream: interrupted; nothing half written was left behind"
    assert list(tmp_path.iterdir()) == []
    pause = threading.Event()
    for _ in range(DEADLINE_S * 100):  # Python's own helper ends when it sees that we have
        if not is_there(process.pid):
            return
        pause.wait(0.01)
    pytest.fail("a process is left")


def test_the_demo_does_not_replace_somebodys_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "dlc_pose_estimates.0.h5"
    mine.write_text("mine")

    assert main(["demo", "--output-dir", str(tmp_path)]) == 2

    assert "already holds results" in capsys.readouterr().err
    assert mine.read_text() == "mine"


@pytest.mark.slow
def test_an_interrupted_demo_goes_on_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exit_codes, num_predicted = [], []
    for loader in (Loader(80, KeyboardInterrupt), Loader(), Loader(0)):
        monkeypatch.setattr("engine.runs.run.run", partial(run, load=loader))
        exit_codes.append(main(["demo", "--output-dir", str(tmp_path)]))
        assert loader.model is not None
        num_predicted.append(loader.model.num_images)

    assert exit_codes == [130, 0, 0]
    assert num_predicted[0] >= 80
    assert sum(num_predicted) == NUM_SEEN_OF_DEMO
    assert sorted(path.name for path in tmp_path.iterdir()) == OUTPUTS


def test_a_switch_can_be_turned_off_again(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"keypoints_only": True, "draw_skeleton": True}))
    small_movie(tmp_path / "movie.avi")
    arguments = ["run", str(tmp_path / "movie.avi"), "--inputs", str(inputs), "--no-keypoints-only"]

    assert main([*arguments, "--output-dir", str(tmp_path / "out")]) == 0

    metadata = json.loads((tmp_path / "out/output_metadata.json").read_text())
    parameters = metadata["posestream"]["parameters"]
    assert (parameters["keypoints_only"], parameters["draw_skeleton"]) == (False, True)
