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
