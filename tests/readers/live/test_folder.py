"""A folder that is filled with one movie after the other is one series."""

import itertools
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.synthetic import write_isxb
from readers import inspect_movies
from readers.formats import suffixes as suffixes_of_movies
from readers.live.sources import Folder, natural_order
from tests.small_movies import pictures

SUFFIXES = (".isxb", ".avi", ".mkv")


def folder_in(path: Path) -> Folder:
    """Look at a folder whenever it is asked: every look is a second after the last."""
    return Folder(path, SUFFIXES, clock=itertools.count().__next__)


def names(folder: Folder) -> list[str]:
    """Take all that are there."""
    return [path.name for path in iter(folder.next, None)]


def touch(folder: Path, *movies: str) -> None:
    for movie in movies:
        (folder / movie).touch()


def test_movies_come_in_the_natural_order_of_their_names_then_as_they_appear(
    tmp_path: Path,
) -> None:
    touch(tmp_path, "chunk-10.mkv", "chunk-9.mkv", "chunk-1.mkv")
    folder = folder_in(tmp_path)

    assert names(folder) == ["chunk-1.mkv", "chunk-9.mkv", "chunk-10.mkv"]
    touch(tmp_path, "chunk-0.mkv")
    assert folder.waiting()
    assert names(folder) == ["chunk-0.mkv"]
    assert not folder.waiting()


def test_what_is_no_movie_of_the_series_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, ".a.mkv", "._a.mkv", "~a.mkv", "a.mkv.part", "a.mkv.tmp", "a.mkv~", "notes.txt")
    (tmp_path / "folder.mkv").mkdir()
    folder = folder_in(tmp_path)

    assert names(folder) == []
    touch(tmp_path, "b.mkv")
    assert names(folder) == ["b.mkv"]
    touch(tmp_path, "c.avi", "c.MKV")
    assert names(folder) == ["c.MKV"]


def test_a_series_may_be_of_any_kind_of_movie(tmp_path: Path) -> None:
    for kind in ("MOV", "m2ts", "Webm", "wmv"):
        folder = tmp_path / kind
        folder.mkdir()
        touch(folder, f"a.{kind}", "a.csv", f"._b.{kind}")
        assert names(Folder(folder, suffixes_of_movies())) == [f"a.{kind}"]


def test_a_movie_that_gets_its_name_when_it_is_finished_comes_then(tmp_path: Path) -> None:
    touch(tmp_path, "a.mkv.part")
    folder = folder_in(tmp_path)

    assert names(folder) == []
    (tmp_path / "a.mkv.part").rename(tmp_path / "a.mkv")
    assert names(folder) == ["a.mkv"]


def test_finished_isxb_come_in_the_order_in_which_a_run_takes_them(tmp_path: Path) -> None:
    for name, start_time_ms in {"a": 3000, "b": 1000, "c": 2000}.items():
        write_isxb(tmp_path / f"{name}.isxb", iter(pictures(2)), 20, start_time_ms=start_time_ms)
    run = [movie.path.name for movie in inspect_movies(sorted(tmp_path.glob("*.isxb")))]
    (tmp_path / "0.isxb").write_bytes(bytes(96))  # is still being recorded

    assert names(folder_in(tmp_path)) == [*run, "0.isxb"]


def test_a_folder_that_is_gone_has_no_more_movies(tmp_path: Path) -> None:
    folder = folder_in(tmp_path / "gone")

    assert folder.next() is None
    assert not folder.waiting()


def test_a_folder_is_not_looked_through_at_every_question(tmp_path: Path) -> None:
    clock: Callable[[], float] = lambda: 0.0  # noqa: E731 (a function that stands still)
    touch(tmp_path, "a.mkv")
    folder = Folder(tmp_path, SUFFIXES, clock=clock)

    assert names(folder) == ["a.mkv"]
    touch(tmp_path, "b.mkv")  # changes the folder's time
    assert names(folder) == ["b.mkv"]


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_numbers_are_ordered_by_their_value(numbers: list[int]) -> None:
    ordered = sorted((f"m{number}.avi" for number in numbers), key=natural_order)

    assert ordered == [f"m{number}.avi" for number in sorted(numbers)]


@given(st.lists(st.text(alphabet="a0.²1-", max_size=6)))
def test_any_names_have_one_order(some: list[str]) -> None:
    turned = [*some[1:], *some[:1]]

    assert sorted(some, key=natural_order) == sorted(turned, key=natural_order)
