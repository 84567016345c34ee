"""Whatever a file holds, a reader reads it or refuses it with one line."""

from pathlib import Path

import pytest

from tests.fuzz.harness import Mutation, Target, fuzz, problem_of
from tests.fuzz.mutations import mutated
from tests.fuzz.readers import intact_movies, mutated_isxb, read_avi, read_isxb, read_mp4

KINDS: dict[str, tuple[Target, Mutation]] = {
    ".mp4": (read_mp4, mutated),
    ".avi": (read_avi, mutated),
    ".isxb": (read_isxb, mutated_isxb),
}
FAILED = Path(__file__).parent / "failed/movies"


def report_of(suffix: str, seeds: range, folder: Path) -> str:
    target, mutate = KINDS[suffix]
    return "\n".join(map(str, fuzz(target, intact_movies(suffix), mutate, seeds, folder)))


@pytest.mark.parametrize("suffix", KINDS)
def test_a_hundred_damaged_movies(suffix: str, tmp_path: Path) -> None:
    assert not report_of(suffix, range(100), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", KINDS)
def test_ten_thousand_damaged_movies(suffix: str, tmp_path: Path) -> None:
    assert not report_of(suffix, range(10_000), tmp_path)


@pytest.mark.parametrize("path", sorted(FAILED.iterdir()), ids=lambda path: path.name)
def test_what_once_failed_does_not_fail_again(path: Path) -> None:
    target, _ = KINDS[path.suffix]

    assert problem_of(target, intact_movies(path.suffix), path.read_bytes()) is None
