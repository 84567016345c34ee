"""Small movies that tests of the command and of stopped runs share."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.synthetic import write_isxb
from engine import run
from tests.engine.stopping import (
    DROPPED,
    NUM_FRAMES,
    Loader,
    contents,
    job_for,
    segments_are_short,
)
from tests.small_movies import pictures, small_movie


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


@pytest.fixture(scope="module")
def short_segments() -> Iterator[None]:
    with segments_are_short():
        yield


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a movie with dropped frames, also at a segment's end and start."""
    path = tmp_path_factory.mktemp("movie") / "movie.isxb"
    write_isxb(path, pictures(NUM_FRAMES), 25, dropped=DROPPED)
    return path


@pytest.fixture(scope="session")
def damaged_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a movie with frames that cannot be decoded, around a segment's start."""
    path = tmp_path_factory.mktemp("damaged") / "movie.isxb"
    write_isxb(path, pictures(NUM_FRAMES), 25)
    data = bytearray(path.read_bytes())
    starts = [match.start() for match in re.finditer(b"\xff\xd8\xff", data)]
    assert len(starts) == NUM_FRAMES
    for frame in (11, 12, 13, 30):
        start_of_frame = data.index(b"\xff\xc0", starts[frame])
        data[start_of_frame + 4] = 77  # a JPEG of 77 bits a sample
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def whole_run(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Run the recording without a stop; give the contents of all outputs."""
    output_dir = tmp_path_factory.mktemp("whole")
    with segments_are_short():
        run(job_for([recording], output_dir), load=Loader())
    return contents(output_dir)
