"""No room: one clear error, whenever it happens, and nothing half written under a final name.

Each output is written in a process of its own kind (see `writing`), again and again, with room
for none of it, for some twelfths of it, and for all but a byte.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from tests.sinks.writing import NUM_LIMITS, PREVIEWS, WRITERS, Attempt

ROOT = Path(__file__).parents[2]


def attempts(command: list[str]) -> dict[str, list[Attempt]]:
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 -- our own program
    # Nothing may be said, or go wrong, at the exit either: HDF5 still knows its files then.
    assert (run.returncode, run.stderr) == (0, "")
    found = [Attempt(**fields) for fields in json.loads(run.stdout)]
    return {name: list(group) for name, group in groupby(found, lambda one: one.output)}


@pytest.fixture(scope="module")
def short_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Attempt]]:
    directory = tmp_path_factory.mktemp("limit") / "outputs"
    return attempts([sys.executable, "-m", "tests.sinks.writing", "limit", str(directory)])


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Attempt]]:
    """A file system that only the process sees; skipped where nobody may make one."""
    mounted = tmp_path_factory.mktemp("tmpfs")
    mount = f"mount -t tmpfs -o size=6m none '{mounted}'"
    for options in ("-Urm", "-m"):
        unshare = [shutil.which("unshare") or "unshare", options, "sh", "-c"]
        try:
            subprocess.run([*unshare, mount], check=True, capture_output=True)  # noqa: S603 -- our own command
        except (OSError, subprocess.CalledProcessError):
            continue
        write = f"'{sys.executable}' -m tests.sinks.writing tmpfs '{mounted}/outputs'"
        return attempts([*unshare, f"{mount} && exec {write}"])
    pytest.skip("needs the right to mount a tmpfs")


def final_names(output: str) -> set[str]:
    return set(PREVIEWS) if output == "previews" else {output}


@pytest.mark.often(1)
@pytest.mark.parametrize("output", WRITERS)
@pytest.mark.parametrize(
    ("shortage", "number"),
    [
        ("short_files", errno.EFBIG),
        pytest.param("small_disk", errno.ENOSPC, marks=pytest.mark.slow),
    ],
)
def test_the_error_names_the_output_and_the_reason_and_no_part_of_it_stands_there(
    output: str, shortage: str, number: int, request: pytest.FixtureRequest
) -> None:
    found: list[Attempt] = request.getfixturevalue(shortage)[output]
    assert len(found) == NUM_LIMITS + 1
    for attempt in found:
        assert attempt.error is not None, attempt
        assert attempt.path in final_names(output)
        assert attempt.error.endswith(f"/{attempt.path}: cannot be written ({os.strerror(number)})")
        assert not {name for name in attempt.left if ".segments" not in name}
        assert not {name for name in attempt.left if ".partial" in name}
        assert not attempt.open_files, "a file that is open keeps its room on the disk"


def test_closed_segments_of_the_movie_stay(short_files: dict[str, list[Attempt]]) -> None:
    """Of 100 frames in segments of 30; the first segments are longer than the last."""
    segments = [f".movie.segments/{number:06}.mp4" for number in range(4)]
    numbers_left = {len(attempt.left) for attempt in short_files["movie.mp4"]}
    assert numbers_left == {0, 5}  # no segment fits, or all of them but not the movie
    for attempt in short_files["movie.mp4"]:
        assert attempt.left in ([], [".movie.segments", *segments])


@pytest.mark.slow
def test_segments_are_closed_as_long_as_there_is_room(
    small_disk: dict[str, list[Attempt]],
) -> None:
    numbers = [max(0, len(attempt.left) - 1) for attempt in small_disk["movie.mp4"]]
    assert set(numbers) == {0, 1, 2, 3, 4}
    assert numbers == sorted(numbers)
