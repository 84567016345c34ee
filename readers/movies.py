"""From paths to movies: which reader reads what, and which movies make one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from readers.base import MovieReader
from readers.container import ContainerReader, inspect_container
from readers.crop import CropRectangle
from readers.errors import InputError, MovieError, movie_errors
from readers.frames import MovieInfo
from readers.isxb import IsxbReader
from readers.isxb_inspection import inspect_isxb

_KINDS: dict[str, tuple[Callable[[Path], MovieInfo], type[MovieReader]]] = {
    ".isxb": (inspect_isxb, IsxbReader),
    ".mp4": (inspect_container, ContainerReader),
    ".avi": (inspect_container, ContainerReader),
    ".mkv": (inspect_container, ContainerReader),
    ".ts": (inspect_container, ContainerReader),
}


def inspect_movie(path: Path) -> MovieInfo:
    """Tell what a movie is, without reading it through.

    Raises
    ------
    MovieError
        If there is no such file, it is empty, of another kind, or cannot be read.
    """
    with movie_errors(path):
        if not path.exists():
            raise MovieError(path, "there is no such file")
        if not path.is_file():
            raise MovieError(
                path, "is a directory, not a movie file" if path.is_dir() else "is no file"
            )
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise MovieError(path, f"unknown kind of movie; allowed are {', '.join(_KINDS)}")
    if path.stat().st_size == 0:
        raise MovieError(path, "is empty")
    inspect, _ = kind
    return inspect(path)


def inspect_movies(paths: Sequence[Path]) -> list[MovieInfo]:
    """Tell what the movies of one run are, in the order in which they are read.

    Several .isxb files are a series: they must agree in size and are put in order of their start
    time, unless one was cut off so that nobody knows its own. Other movies keep their order and
    may differ in size.

    Raises
    ------
    InputError
        If there is no movie, formats are mixed, or a series' sizes differ.
    """
    if not paths:
        raise InputError(
            "no movie was given; at least one .isxb, .mp4, .avi, .mkv or .ts file is needed"
        )
    formats = {path.suffix.lower(): path for path in paths}
    if len(formats) > 1:
        listed = " and ".join(f"{suffix or 'none'} ({path})" for suffix, path in formats.items())
        raise InputError(f"all movies of a run must have one format, got {listed}")
    movies = [inspect_movie(path) for path in paths]
    if movies[0].format == "isxb":
        if all(movie.start_time_ms is not None for movie in movies):
            movies.sort(key=lambda movie: movie.start_time_ms or 0)
        _check_series(movies)
    return movies


def _check_series(movies: Sequence[MovieInfo]) -> None:
    first = movies[0]
    for movie in movies[1:]:
        if (movie.width, movie.height) != (first.width, first.height):
            raise InputError(
                f"movies of a series must agree in size: {first.path} has {first.width} x "
                f"{first.height} pixels, {movie.path} {movie.width} x {movie.height}"
            )


def open_movie(
    movie: MovieInfo, crop: CropRectangle | None = None, most_frames: int | None = None
) -> MovieReader:
    """Make the reader of a movie that was inspected; enter it to open the file.

    Frames are cropped, and counted up to `most_frames`, where these are given.

    Raises
    ------
    InputError
        If the crop rectangle does not lie inside the frames.
    """
    _, reader = _KINDS[movie.path.suffix.lower()]
    return reader(movie, crop, most_frames)
