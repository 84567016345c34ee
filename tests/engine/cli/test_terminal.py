"""Whatever others have named, nothing reaches a terminal that could act on it."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine import InputError, RunError
from engine.bench.report import as_text
from engine.cli import main
from engine.watch.progress import BarProgress, PlainProgress
from engine.watch.status import Status
from sinks import OutputError
from tests.engine.bench.reports import report
from tests.exports import export_folder
from tests.small_movies import small_movie

HOSTILE = "a\x1b[2J\x9b1m\x07\b\r\n\u2028\u202eb\u200b"
ESCAPED = r"a\x1b[2J\x9b1m\x07\x08\r\n\u2028\u202eb\u200b"


def check(text: str, *allowed: str) -> None:
    """Check that all is printable but line breaks, and what tqdm itself needs."""
    for code in ("\n", *allowed):
        text = text.replace(code, "")
    assert text.isprintable()


@pytest.mark.parametrize("kind", [BarProgress, PlainProgress])
def test_progress_of_any_kind(kind: Callable[[io.StringIO], BarProgress | PlainProgress]) -> None:
    stream = io.StringIO()
    told = kind(stream)
    told.begin(HOSTILE, 3)
    told.note(HOSTILE)
    told.warn(HOSTILE)
    told.end()
    told.show(replace(Status().snapshot(), movie=HOSTILE))

    check(stream.getvalue(), "\r")
    assert stream.getvalue().count(ESCAPED) >= 3


@pytest.mark.parametrize(
    "error",
    [
        InputError(HOSTILE),
        RunError(HOSTILE),
        OutputError(Path(HOSTILE), HOSTILE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_any_kind(error: Exception) -> None:
    check(str(error))
    assert ESCAPED in str(error)


def test_a_benchmarks_table() -> None:
    hostile = report()
    movie = replace(hostile.movie, path=Path(HOSTILE))

    check(as_text(replace(hostile, movie=movie, model=HOSTILE, notes=[HOSTILE])))


@pytest.fixture
def hostile_movie(tmp_path: Path) -> Path:
    return small_movie(tmp_path / "movie.avi", num_frames=6).rename(tmp_path / f"{HOSTILE}.avi")


def test_a_run_and_its_outputs(
    tmp_path: Path, hostile_movie: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output_dir = tmp_path / HOSTILE

    assert main(["run", str(hostile_movie), "--output-dir", str(output_dir)]) == 0

    output, errors = capsys.readouterr()
    check(output)
    check(errors)
    assert len(output.splitlines()) == len(list(output_dir.iterdir()))
    assert f"{ESCAPED}.avi: 6/6 frames" in errors


def test_what_is_inspected(
    tmp_path: Path, hostile_movie: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = export_folder(tmp_path / HOSTILE)
    for path in (hostile_movie, model):
        for options in ([], ["--json"]):
            assert main(["inspect", str(path), *options]) == 0

    check(capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", HOSTILE],
        ["run", HOSTILE, "--output-dir", "out"],
        ["run", "movie.avi", "--output-dir", "out", "--model", HOSTILE],
        ["run", "movie.avi", "--output-dir", "out", "--inputs", HOSTILE],
        ["run", "movie.avi", "--output-dir", "out", "--color-map", HOSTILE],
        ["run", "movie.avi", "--output-dir", "out", "--crop-rect", HOSTILE],
        ["run", "movie.avi", "--output-dir", "movie.avi/" + HOSTILE],
        ["run", "movie.avi", "--output-dir", "out", "--draw-skeleton", "--skeleton", HOSTILE],
        ["run", "movie.avi", f"--{HOSTILE}"],
        ["bench", HOSTILE],
        ["live", f"{HOSTILE}://", "--output-dir", "out"],
        ["live", "movie.avi", "--output-dir", "out", "--publish", HOSTILE],
        ["live", "movie.avi", "--output-dir", "out", "--status", f"{HOSTILE}/status.json"],
        [HOSTILE],
    ],
)
def test_bad_input(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    small_movie(tmp_path / "movie.avi")

    assert main(arguments) == 2

    output, errors = capsys.readouterr()
    assert output == ""
    assert len(errors.splitlines()) == 1
    check(errors)
