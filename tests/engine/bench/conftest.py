"""What tests of benchmarks share: processes that are made up, and a place for what is left."""

import tempfile
from pathlib import Path

import pytest

from engine.bench import measurement
from tests.engine.machine.children import Children
from tests.small_movies import small_movie


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    children = Children()
    monkeypatch.setattr(measurement, "run_in_child", children)
    monkeypatch.setattr(measurement, "num_cores", lambda: 2)
    return children


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_movie(tmp_path_factory.mktemp("movie") / "movie.avi", num_frames=12)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories are made, to see that none is left."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path
