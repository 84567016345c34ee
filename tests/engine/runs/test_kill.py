"""A process that is killed at any moment loses nothing that resuming does not give back."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.synthetic import MouseMovie, write_isxb
from tests.engine.stopping import contents
from tests.outputs import OUTPUTS_OF_ONE_MOVIE

NUM_FRAMES = 1200
"""A whole segment of the labelled movie, and some more."""
COMMAND = [sys.executable, "-c", "import sys, engine.cli; sys.exit(engine.cli.main())", "run"]


def posestream(movie: Path, output_dir: Path, *options: str) -> subprocess.Popen[str]:
    durable = ("--durable-every-frames", "100", "--trail-points", "4")
    return subprocess.Popen(  # noqa: S603 -- this project's own command
        [*COMMAND, str(movie), "--output-dir", str(output_dir), *durable, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movie") / "movie.isxb"
    images = list(MouseMovie(seed=5, width=96, height=64, num_frames=70).images())
    dropped = {300, 301, 999, 1000, 1001, 1199}
    write_isxb(path, (images[index % 70] for index in range(NUM_FRAMES)), 25, dropped=dropped)
    return path


@pytest.fixture(scope="module")
def whole(movie: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """Give what a run that is left alone makes, and how many seconds it takes."""
    output_dir = tmp_path_factory.mktemp("whole")
    started_s = time.monotonic()
    process = posestream(movie, output_dir)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    made = contents(output_dir)
    assert set(made) == OUTPUTS_OF_ONE_MOVIE
    return made, time.monotonic() - started_s


@pytest.mark.often(1)
@pytest.mark.parametrize("seed", range(50))
def test_killed_anywhere_and_resumed_it_gives_the_same_outputs(
    movie: Path, whole: tuple[dict[str, bytes], float], tmp_path: Path, seed: int
) -> None:
    expected, whole_s = whole
    moments_s = random.Random(seed)  # noqa: S311 -- moments, not secrets
    for _ in range(moments_s.randint(1, 3)):
        process = posestream(movie, tmp_path, "--resume")
        try:
            process.wait(timeout=moments_s.uniform(0.1, 1.05) * whole_s)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    process = posestream(movie, tmp_path, "--resume")
    _, errors = process.communicate()

    assert process.returncode == 0, errors
    assert contents(tmp_path) == expected
