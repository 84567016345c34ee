"""From paths to movies: which reader reads what, and which movies make one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from readers.base import MovieReader
from readers.container.reader import ContainerReader, inspect_container
from readers.crop import CropRectangle
from readers.errors import InputError, MovieError, movie_errors
from readers.ffmpeg import open_regular_file
from readers.file_kind import NO_MOVIE, is_isxb, read_head, what_is_no_movie
from readers.frames import MovieInfo
from readers.isxb.inspection import inspect_isxb
from readers.isxb.reader import IsxbReader


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
        if path.stat().st_size == 0:
            raise MovieError(path, "is empty")
        with open_regular_file(path) as file:
            head = read_head(file)
    no_movie = what_is_no_movie(head)
    if no_movie is not None:
        raise MovieError(path, NO_MOVIE.format(no_movie))
    return inspect_isxb(path) if is_isxb(path, head) else inspect_container(path)


def inspect_movies(paths: Sequence[Path]) -> list[MovieInfo]:
    """Tell what the movies of one run are, in the order in which they are read.

    Several .isxb files are a series: they must agree in size and are put in order of their start
    time, unless one was cut off so that nobody knows its own. Other movies keep their order and
    may differ in size and format.

    Raises
    ------
    InputError
        If there is no movie, .isxb are mixed with others, or a series' sizes differ.
    """
    if not paths:
        raise InputError("no movie was given; at least one is needed")
    movies = [inspect_movie(path) for path in paths]
    formats = {movie.format: movie.path for movie in reversed(movies)}
    if len(formats) > 1 and "isxb" in formats:
        listed = " and ".join(f".{name} ({path})" for name, path in formats.items())
        raise InputError(f"all movies of a run must be .isxb if one is, got {listed}")
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
    reader = IsxbReader if movie.format == "isxb" else ContainerReader
    return reader(movie, crop, most_frames)
