"""Small movies that tests of the command share."""

from pathlib import Path

import pytest

from tests.small_movies import small_movie


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("movies")
    for name in ("movie.mp4", "movie.avi", "movie.isxb"):
        small_movie(folder / name)
    small_movie(folder / "later.isxb", width=64, start_time_ms=1_700_000_060_000)
    return folder


@pytest.fixture
def movie(movies: Path) -> Path:
    return movies / "movie.avi"
