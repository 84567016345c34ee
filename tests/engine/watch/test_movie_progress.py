"""What is done already is told apart from what is being done."""

from fractions import Fraction
from pathlib import Path

from engine.watch.movie_progress import MovieProgress
from engine.watch.progress import SilentProgress
from readers import MovieInfo


class Diary(SilentProgress):
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
