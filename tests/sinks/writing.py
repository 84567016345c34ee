"""Write each kind of output where there is less room than it needs; run as a program by tests.

``python -m tests.sinks.writing HOW DIRECTORY`` prints a JSON list of `Attempt`s. HOW is ``limit``,
which limits how long a file may become, or ``tmpfs``, where DIRECTORY is a small file system of
its own that is filled up but for some room.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from readers import MovieInfo
from sinks import (
    ExperimentAnnotations,
    LabelledMovieSink,
    OutputError,
    OverlayStyle,
    PoseBatch,
    PoseEstimates,
    PreviewPaths,
    PreviewSink,
    describe_model,
    write_metadata,
)
from sinks.labelled_movie import segments
from tests.batches import frame_batch, pose_batches

BODY_PARTS = ["nose", "tail base"]
POSES = np.random.default_rng(0).uniform(0, 100, (9000, len(BODY_PARTS), 3))
NUM_LIMITS = 12
Shortage = Callable[[Path, int], AbstractContextManager[None]]
MOVIE_SIZE = 64, 48
PREVIEWS = "hist.svg", "likelihood.svg", "plot.svg", "trajectory.png"


@dataclass(frozen=True)
class Attempt:
    """One output, written where there was room for so many bytes."""

    output: str
    room: int
    needed: int
    error: str | None
    path: str | None
    left: list[str]
    """Names of what was left behind, in all folders."""
    open_files: list[str]


def write_pose_estimates(directory: Path) -> None:
    path = directory / "poses.h5"
    with PoseEstimates(path, scorer="s", body_parts=BODY_PARTS, notes={"a": 1}) as sink:
        for batch in pose_batches(POSES, 1000):
            sink.write(batch)


def write_annotations(directory: Path, suffix: str) -> None:
    movie = MovieInfo(Path("m"), "mp4", 6, 4, Fraction(1, 10))
    with (
        ExperimentAnnotations(
            directory / f"annotations{suffix}", body_parts=BODY_PARTS, has_hardware_counter=False
        ) as annotations,
        annotations.movie(movie) as sink,
    ):
        for batch in pose_batches(POSES, 1000):
            sink.write(batch)


def write_movie(directory: Path) -> None:
    width, height = MOVIE_SIZE
    random = np.random.default_rng(0)
    with LabelledMovieSink(
        directory / "movie.mp4",
        width=width,
        height=height,
        frame_rate=Fraction(30),
        body_parts=BODY_PARTS,
        style=OverlayStyle(),
    ) as sink:
        for first in range(0, 100, 5):
            frames = frame_batch(first, 5, height, width)
            frames.images[:] = random.integers(0, 256, frames.images.shape, np.uint8)
            sink.write(PoseBatch(frames, POSES[first : first + 5]))


def write_previews(directory: Path) -> None:
    with PreviewSink(
        PreviewPaths(*(directory / name for name in PREVIEWS)),
        body_parts=BODY_PARTS,
        p_cutoff=0,
        color_map="rainbow",
        frame_width=100,
        frame_height=100,
    ) as sink:
        for batch in pose_batches(POSES[:300], 100):
            sink.write(batch)


def write_whole_metadata(directory: Path) -> None:
    write_metadata(
        directory / "metadata.json",
        model=describe_model(
            task="t", scorer="s", date="d", network="n", body_parts=BODY_PARTS, snapshot=1
        ),
        outputs={},
        provenance={"warnings": ["long"] * 10_000},
    )


WRITERS: dict[str, Callable[[Path], None]] = {
    "poses.h5": write_pose_estimates,
    "annotations.parquet": lambda directory: write_annotations(directory, ".parquet"),
    "annotations.csv": lambda directory: write_annotations(directory, ".csv"),
    "movie.mp4": write_movie,
    "previews": write_previews,
    "metadata.json": write_whole_metadata,
}


@contextmanager
def limit(directory: Path, room: int) -> Iterator[None]:  # noqa: ARG001 -- as for `tmpfs`
    """Let no file become longer than this."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def tmpfs(directory: Path, room: int) -> Iterator[None]:
    """Leave this much free of a file system."""
    free = os.statvfs(directory)
    ballast = directory.parent / "ballast"
    with ballast.open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, max(1, free.f_bavail * free.f_frsize - room))
    try:
        yield
    finally:
        ballast.unlink()


def attempts(output: str, directory: Path, shortage: Shortage) -> Iterator[Attempt]:
    needed = needed_room(output, directory, per_file=shortage is limit)
    for step in range(NUM_LIMITS):
        room = needed * step // NUM_LIMITS
        yield attempt(output, directory, shortage, room, needed)
    yield attempt(output, directory, shortage, needed - 1, needed)


def needed_room(output: str, directory: Path, *, per_file: bool) -> int:
    WRITERS[output](directory)
    sizes = [path.stat().st_size for path in directory.iterdir()]
    clean(directory)
    if per_file:
        return max(sizes)
    # Segments and the movie that they are joined into stand side by side.
    return sum(sizes) * (2 if output == "movie.mp4" else 1)


def attempt(output: str, directory: Path, shortage: Shortage, room: int, needed: int) -> Attempt:
    error, path = None, None
    try:
        with shortage(directory, room):
            WRITERS[output](directory)
    except OutputError as caught:
        error, path = str(caught), caught.path.name
    left = sorted(str(file.relative_to(directory)) for file in directory.rglob("*"))
    open_files = [name for name in open_names() if name.startswith(str(directory))]
    clean(directory)
    return Attempt(output, room, needed, error, path, left, open_files)


def open_names() -> Iterator[str]:
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(link.readlink())


def clean(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()
        else:
            path.rmdir()


def main() -> None:
    how, directory = sys.argv[1], Path(sys.argv[2])
    vars(segments)["SEGMENT_LENGTH"] = 30
    directory.mkdir()
    result = [
        asdict(one)
        for output in WRITERS
        for one in attempts(output, directory, {"limit": limit, "tmpfs": tmpfs}[how])
    ]
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
