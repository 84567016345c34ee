"""The measures of the house, of a small one that is known; and the rules of this one's imports."""

from pathlib import Path

import pytest

from benchmarks.house import ROOT, House, in_circles, measures, way_of_a_frame

PUBLIC = "readers.__all__"

FILES = {
    "engine/__init__.py": "",
    "engine/pipeline/__init__.py": '"""How frames go."""\nfrom engine.cli import one\n',
    "engine/cli/__init__.py": "",
    "engine/cli/one.py": "import engine.runs.two\nimport numpy\n",
    "engine/runs/__init__.py": "",
    "engine/runs/two.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from engine.cli import one\n"
        "def _helper():\n    import engine.cli.one\n"
        "class Two:\n    def __init__(self): pass\n    @property\n    def whoever(self): pass\n"
    ),
    "readers/__init__.py": "from readers.base import long, short\n",
    "readers/base.py": "import readers.formats\ndef short():\n    'Short.'\n    "
    + "\n    ".join(["pass"] * 30)
    + "\ndef long():\n    'Long.'\n    "
    + "\n    ".join(["pass"] * 31)
    + "\n",
    "readers/formats.py": "import sinks\nfrom readers import base\nbase.short()\n",
    "sinks/__init__.py": "try:\n    import readers.base\nexcept ImportError:\n    pass\n",
    "benchmarks/speed.py": "from readers import base\nbase.long()\n",
    "tests/test_two.py": "Two().whoever\nassert " + PUBLIC + " == ['long']\n",
}


@pytest.fixture
def small_house(tmp_path: Path) -> House:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return House(tmp_path)


def test_a_small_house_is_measured(small_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.house.way_of_a_frame", lambda _: ["main", "run", "decode"])
    found = measures(small_house)
    num_lines = 2 + 2 + 9 + 1 + 66 + 3 + 4
    assert found == {
        "product lines": num_lines,
        "files": 10,
        "files per 1,000 lines": round(10_000 / num_lines, 1),
        "private helpers, % of all functions": 20.0,
        "files at the top of engine/": 1,
        "calls from main to the decoder's": ["run", "decode"],
        "import arrows that run up": ["engine.pipeline -> engine.cli", "readers -> sinks"],
        "modules in circles of imports": ["readers.base", "readers.formats", "sinks"],
        "rooms of engine/ in circles of imports": [],
        "functions and properties for tests alone": ["engine.runs.two.whoever"],
        "copied __all__ lists in tests": [PUBLIC],
        "functions above 30 lines": ["readers.base.long"],
        "docstrings that ask": ["engine.pipeline"],
        "nobody, somebody, whoever": 1,
    }


def test_circles_are_found_however_long() -> None:
    ring = {str(number): {str((number + 1) % 40)} for number in range(40)}
    assert in_circles(ring) == sorted(ring)
    assert in_circles({**ring, "39": set()}) == []
    assert in_circles({"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"d", "a"}}) == ["d"]


def test_rooms_that_import_each_other_are_a_circle(tmp_path: Path) -> None:
    for room, other in (("job", "runs"), ("runs", "job")):
        (tmp_path / "engine" / room).mkdir(parents=True)
        (tmp_path / "engine" / room / "one.py").write_text("")
        (tmp_path / "engine" / room / "two.py").write_text(f"import engine.{other}.one\n")
    house = House(tmp_path)
    assert in_circles(house.imports) == []
    assert house.circles_of_engine_rooms() == ["engine.job", "engine.runs"]


def test_imports_run_down_and_in_no_circle() -> None:
    house = House(ROOT)
    assert house.arrows_up() == []
    assert in_circles(house.imports) == []
    assert house.circles_of_engine_rooms() == []


@pytest.mark.slow
def test_the_way_of_a_frame_leads_from_main_through_the_pipeline_to_the_reader() -> None:
    way = way_of_a_frame(ROOT)
    assert way[0] == "engine.cli.command.main"
    assert any(name.startswith("engine.pipeline.") for name in way)
    assert way[-1].startswith("readers.isxb.")
