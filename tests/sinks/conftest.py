"""Previews that are drawn, other than in most tests."""

from collections.abc import Iterator

import pytest

from tests.figures import draw


@pytest.fixture(autouse=True, scope="module")
def _drawn_figures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        draw(patch)
        yield
