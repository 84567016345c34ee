"""The readers of movies: from files to frames."""

from readers.base import MovieReader
from readers.errors import InputError, MovieError
from readers.formats import inspect_movie, inspect_movies, open_movie
from readers.frames import CropRectangle, FrameBatch, FrameStatus, MovieInfo

__all__ = [
    "CropRectangle",
    "FrameBatch",
    "FrameStatus",
    "InputError",
    "MovieError",
    "MovieInfo",
    "MovieReader",
    "inspect_movie",
    "inspect_movies",
    "open_movie",
]
