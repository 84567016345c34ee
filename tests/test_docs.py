"""What the documentation names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = list((ROOT / "tests").rglob("test_*.py"))
NAMES = {path.name for path in TESTS} | {
    name for path in TESTS for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
}
PROMISES = (ROOT / "docs/reliability.md").read_text()


@pytest.mark.parametrize("name", re.findall(r"`(?:tests/[\w/]*?)?(test_\w+(?:\.py)?)`", PROMISES))
def test_each_test_that_a_promise_names_exists(name: str) -> None:
    assert any(known.startswith(name) for known in NAMES)


HOUSE = (ROOT / "docs/house.md").read_text()


def test_the_picture_of_the_rooms_shows_them_all() -> None:
    """Each package that holds modules has its line, and each line its package."""
    picture = HOUSE.split("```")[1]
    drawn, top = set(), ""
    for line in picture.strip().splitlines():
        name = line.split("/")[0]
        top = top if name.startswith(" ") else name
        drawn.add(top if name == top else f"{top}/{name.strip()}")
    packages = {
        path.parent.relative_to(ROOT).as_posix()
        for top in ("engine", "readers", "sinks")
        for path in (ROOT / top).glob("**/__init__.py")
        if len(path.parent.relative_to(ROOT).parts) <= 2
    }
    assert drawn - {"benchmarks", "tests"} == packages


def test_each_file_that_the_page_of_the_house_names_exists() -> None:
    names = re.findall(r"`((?:engine|readers|sinks|tests)/[\w/.]+)`", HOUSE)
    assert names
    for name in names:
        assert (ROOT / name).exists(), name
