"""The table of the formats that are read, and the movies of one run.

A new format is one file, which tells what its movies are and reads them, and one row here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from readers.base import MovieReader
from readers.container.parts import is_closed
from readers.container.reader import ContainerFeed, ContainerReader, inspect_container
from readers.errors import InputError, MovieError, movie_errors
from readers.ffmpeg import open_regular_file
from readers.file_kind import TELLING_BYTES, check_is_movie, is_avi, is_container, read_head
from readers.frames import CropRectangle, MovieInfo
from readers.growing.growing_file import Feed, GrowingFile, now_s
from readers.isxb.feed import IsxbFeed
from readers.isxb.layout import is_closed as is_isxb_closed
from readers.isxb.layout import is_isxb
from readers.isxb.reader import IsxbReader, inspect_isxb


@dataclass(frozen=True)
class Format:
    """A format of movie files.

    Attributes
    ----------
    name
        As in `MovieInfo.format`.
    suffixes
        Of its files, in small letters.
    recognise
        Tells by a file's first 4096 bytes, fewer of a shorter file, whether it is one. A file whose
        content tells nothing, because it is damaged or not there yet, is known by its suffix.
    inspect
        Tells what a movie is, without reading it through; see `inspect_movie`.
    reader
        Reads one.
    feed
        Gives the packets of one that is being recorded; None where it can only be read whole.
    is_closed
        Tells of a file and its size whether the program that records it is done with it.
    is_series
        Whether several movies of a run are one recording: they agree in size, follow each other
        by their start times, and stand with no movie of another format.
    is_checked
        Whether the number of frames is known without decoding them.
    tells_dropped
        Whether a file tells which frames its recorder dropped.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[bytes], bool]
    inspect: Callable[[Path], MovieInfo]
    reader: type[MovieReader]
    feed: type[Feed] | None = None
    is_closed: Callable[[IO[bytes], int], bool] = lambda file, size: False  # noqa: ARG005
    is_series: bool = False
    is_checked: bool = False
    tells_dropped: bool = False


_CAMERA = (inspect_container, ContainerReader, ContainerFeed, is_closed)
FORMATS = [
    Format(
        "isxb",
        (".isxb",),
        is_isxb,
        inspect_isxb,
        IsxbReader,
        IsxbFeed,
        is_isxb_closed,
        is_series=True,
        is_checked=True,
        tells_dropped=True,
    ),
    Format("avi", (".avi",), is_avi, *_CAMERA, tells_dropped=True),
    Format(
        "movie",
        (
            *(".mp4", ".mkv", ".ts", ".mov", ".m4v", ".webm", ".m2ts", ".mts", ".m2t", ".mpg"),
            *(".mpeg", ".m2v", ".vob", ".wmv", ".asf", ".flv", ".mjpeg", ".mjpg", ".3gp", ".3g2"),
            *(".ogv", ".mxf", ".dv", ".nut", ".h264", ".264", ".hevc", ".h265", ".265", ".ivf"),
            ".y4m",
        ),
        is_container,
        *_CAMERA,
    ),
]
"""All formats; the last one is taken where no other is. FFmpeg names what it finds in it."""


def format_named(name: str) -> Format:
    """Give the format of a `MovieInfo`."""
    return next((kind for kind in FORMATS if kind.name == name), FORMATS[-1])


def suffixes() -> list[str]:
    """Give the suffixes of movies among the other files of a folder."""
    return [suffix for kind in FORMATS for suffix in kind.suffixes]


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
    kind, head = _recognised(path)
    if not kind.recognise(head):
        check_is_movie(path, head)
    return kind.inspect(path)


def inspect_movies(paths: Sequence[Path]) -> list[MovieInfo]:
    """Tell what the movies of one run are, in the order in which they are read.

    Several .isxb files are a series: they must agree in size and are put in order of their start
    time, unless that of one which was cut off is unknown. Other movies keep their order and may
    differ in size and format.

    Raises
    ------
    InputError
        If there is no movie, .isxb are mixed with others, or a series' sizes differ.
    """
    if not paths:
        raise InputError("no movie was given; at least one is needed")
    movies = [inspect_movie(path) for path in paths]
    formats = {movie.format: movie.path for movie in reversed(movies)}
    series = next((name for name in formats if format_named(name).is_series), None)
    if series is None:
        return movies
    if len(formats) > 1:
        listed = " and ".join(f".{name} ({path})" for name, path in formats.items())
        raise InputError(f"all movies of a run must be .{series} if one is, got {listed}")
    if all(movie.start_time_ms is not None for movie in movies):
        movies.sort(key=lambda movie: movie.start_time_ms or 0)
    first = movies[0]
    for movie in movies[1:]:
        if (movie.width, movie.height) != (first.width, first.height):
            raise InputError(
                f"movies of a series must agree in size: {first.path} has {first.width} x "
                f"{first.height} pixels, {movie.path} {movie.width} x {movie.height}"
            )
    return movies


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
    return format_named(movie.format).reader(movie, crop, most_frames)


def check_live(path: Path) -> None:
    """Raise `MovieError` for a file that cannot be read while it is recorded.

    What is not known yet passes.
    """
    kind, feed, head = _live_format(path)
    if len(head) >= TELLING_BYTES and not kind.recognise(head):
        check_is_movie(path, head)
    with movie_errors(path), open_regular_file(path) as file:
        problem = feed.not_live_because(file, head)
    if problem is not None:
        raise MovieError(path, problem)


def open_feed(
    path: Path,
    *,
    end_after_s: float | Callable[[], float],
    wait: Callable[[float], object] | None = None,
    clock: Callable[[], float] = now_s,
) -> Feed:
    """Make the feed of a file that is being recorded; see `GrowingFile` for the parameters."""
    kind, feed, _ = _live_format(path)
    return feed(GrowingFile(path, kind.is_closed, end_after_s=end_after_s, wait=wait, clock=clock))


def _live_format(path: Path) -> tuple[Format, type[Feed], bytes]:
    kind, head = _recognised(path)
    if kind.feed is None:
        raise MovieError(path, f"is of a format ({kind.name}) that can only be read when finished")
    return kind, kind.feed, head


def _recognised(path: Path) -> tuple[Format, bytes]:
    """Tell the format of a file by its content, or else by its name; give its head, too."""
    with movie_errors(path), open_regular_file(path) as file:
        head = read_head(file)
    by_content = (kind for kind in FORMATS if kind.recognise(head))
    by_name = (kind for kind in FORMATS if path.suffix.lower() in kind.suffixes)
    return next(by_content, None) or next(by_name, FORMATS[-1]), head
