"""The lines that a user reads while a run goes on."""

import io
import itertools
from fractions import Fraction
from pathlib import Path

import pytest

from engine.watch.progress import (
    BarProgress,
    MovieProgress,
    PlainProgress,
    Progress,
    progress_for,
)
from readers import MovieInfo


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the clock find it four seconds later."""
    times_s = itertools.count(0.0, 4.0)
    monkeypatch.setattr("time.monotonic", lambda: next(times_s))


@pytest.mark.usefixtures("clock")
def test_a_log_gets_a_line_every_ten_seconds() -> None:
    stream = io.StringIO()
    plain = PlainProgress(stream)
    plain.begin("mouse.avi", 100)
    for num_frames in (10, 20, 30, 60, 100):
        plain.advance(num_frames)
    plain.end()

    assert stream.getvalue().splitlines() == [
        "mouse.avi: 100 frames",
        "mouse.avi: 30/100 frames, 2.5 frames/s, about 00:28 left",
        "mouse.avi: 100/100 frames, 4.2 frames/s",
    ]


@pytest.mark.usefixtures("clock")
def test_a_movie_may_not_tell_how_long_it_is() -> None:
    stream = io.StringIO()
    plain = PlainProgress(stream)
    plain.begin("mouse.avi", None)
    plain.advance(8)
    plain.end()

    assert stream.getvalue().splitlines() == [
        "mouse.avi: unknown number of frames",
        "mouse.avi: 8 frames, 1.0 frames/s",
    ]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("num_frames", [0, 5, 9])
def test_a_movie_may_be_shorter_or_longer_than_it_tells(num_frames: int) -> None:
    stream = io.StringIO()
    plain = PlainProgress(stream)
    plain.begin("mouse.avi", 5)
    plain.advance(num_frames)
    plain.end()

    assert stream.getvalue().splitlines()[-1].startswith(f"mouse.avi: {num_frames}/5 frames, ")


def test_a_terminal_gets_a_bar_that_ends_at_the_last_frame() -> None:
    stream = Terminal()
    bar = BarProgress(stream)
    for name in ("first.avi", "second.avi"):
        bar.begin(name, 40)
        bar.advance(15)
        bar.advance(40)
        bar.end()
        bar.end()

    first, second = stream.getvalue().rstrip("\n").split("\n")
    assert "first.avi: 100%" in first
    assert "40/40" in first
    assert "second.avi: 100%" in second
    assert "frames/s" in second


@pytest.mark.parametrize("kind", [BarProgress, PlainProgress])
def test_a_warning_is_a_line(kind: type[BarProgress] | type[PlainProgress]) -> None:
    stream = io.StringIO()
    told = kind(stream)
    told.begin("mouse.avi", 40)
    told.warn("2 of 40 frames could not be decoded")

    assert "warning: 2 of 40 frames could not be decoded" in stream.getvalue().splitlines()


def test_a_terminal_gets_the_bar_and_a_log_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(progress_for(), PlainProgress)
    monkeypatch.setattr("sys.stderr", Terminal())
    assert isinstance(progress_for(), BarProgress)


def test_nobody_gets_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    silent = Progress()
    silent.begin("mouse.avi", 40)
    silent.advance(40)
    silent.warn("2 of 40 frames could not be decoded")
    silent.end()
    assert capfd.readouterr() == ("", "")

    monkeypatch.setattr("sys.stderr", None)  # closed, as by 2>&-
    assert isinstance(progress_for(), Progress)


class Diary(Progress):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:
        self.lines.append(f"begin {name!r} {total} {unit} {done}")

    def advance(self, done: int) -> None:
        self.lines.append(f"advance {done}")

    def end(self) -> None:
        self.lines.append("end")


def told(num_known_frames: int, *num_frames: int) -> list[str]:
    movie = MovieInfo(Path("a.mp4"), "mp4", 64, 48, Fraction(1, 25), 100)
    diary = Diary()
    with MovieProgress(diary, movie, num_known_frames) as progress:
        for number in num_frames:
            progress.advance(number)
    return diary.lines


def test_a_new_movie_is_one_piece_of_work() -> None:
    assert told(0, 10, 100) == ["begin 'a.mp4' 100 frames 0", "advance 10", "advance 100", "end"]


def test_a_resumed_movie_is_two() -> None:
    assert told(40, 20, 40, 48, 100) == [
        "begin 'a.mp4, what is done' 40 frames 0",
        "advance 20",
        "advance 40",
        "advance 40",
        "end",
        "begin 'a.mp4' 100 frames 40",
        "advance 48",
        "advance 100",
        "end",
    ]


def test_a_movie_that_was_read_to_its_end_is_one() -> None:
    assert told(100, 50, 100)[-3:] == ["advance 50", "advance 100", "end"]
