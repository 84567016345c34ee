"""Previews that are drawn, other than in most tests."""

import pytest

from tests.figures import draw


@pytest.fixture(autouse=True)
def _drawn_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch)
