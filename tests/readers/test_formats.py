"""Movies are told from other files, and movies that make one run from those that do not."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.synthetic import write_avi, write_isxb, write_mp4
from readers import (
    CropRectangle,
    FrameBatch,
    InputError,
    MovieError,
    MovieInfo,
    MovieReader,
    inspect_movie,
    inspect_movies,
    open_movie,
)


def images(width: int = 128, height: int = 96, count: int = 3) -> Iterator[NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    return (random.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MovieError, match=r"no\.mp4: there is no such file"):
        inspect_movie(tmp_path / "no.mp4")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(MovieError, match="is a directory"):
        inspect_movie(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a.isxb", "a.mp4", "a.avi"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(MovieError, match="is empty"):
        inspect_movie(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_text_renamed_to_a_movie_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this is no movie\n" * 100)
    with pytest.raises(MovieError, match="cannot be read as a movie"):
        inspect_movie(tmp_path / name)


def test_text_renamed_to_isxb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.isxb").write_text("this is no movie\n" * 100)
    with pytest.raises(MovieError, match="cannot be read as a movie: it is a text"):
        inspect_movie(tmp_path / "a.isxb")


def test_an_isxb_with_a_damaged_header_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.isxb").write_bytes(bytes(range(200)))
    with pytest.raises(MovieError, match=r"is no \.isxb file: its header claims"):
        inspect_movie(tmp_path / "a.isxb")


@pytest.mark.parametrize("size", [1, 50, 95])
def test_a_truncated_isxb_header_is_refused(tmp_path: Path, size: int) -> None:
    write_isxb(tmp_path / "a.isxb", images(), 20)
    (tmp_path / "b.isxb").write_bytes((tmp_path / "a.isxb").read_bytes()[:size])
    with pytest.raises(MovieError, match=f"header has 96 bytes, this file {size}"):
        inspect_movie(tmp_path / "b.isxb")


def test_a_truncated_mp4_header_is_refused(tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", images(), 20)
    (tmp_path / "b.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:40])
    with pytest.raises(MovieError, match=r"its index \(moov\) is missing"):
        inspect_movie(tmp_path / "b.mp4")


def test_an_upper_case_extension_is_a_movie_too(tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", images(), 20)
    (tmp_path / "a.mp4").rename(tmp_path / "A.MP4")

    assert inspect_movie(tmp_path / "A.MP4").format == "mp4"


def test_no_movie_is_refused() -> None:
    with pytest.raises(InputError, match="no movie was given"):
        inspect_movies([])


def test_a_series_is_put_in_order_of_its_start_times(tmp_path: Path) -> None:
    for name, start_time_ms in {"a": 3000, "b": 1000, "c": 2000}.items():
        write_isxb(tmp_path / f"{name}.isxb", images(), 20, start_time_ms=start_time_ms)

    movies = inspect_movies([tmp_path / f"{name}.isxb" for name in "abc"])

    assert [movie.path.stem for movie in movies] == ["b", "c", "a"]


def test_a_series_whose_sizes_differ_is_refused(tmp_path: Path) -> None:
    write_isxb(tmp_path / "a.isxb", images(128), 20)
    write_isxb(tmp_path / "b.isxb", images(192), 20)
    with pytest.raises(InputError, match=r"agree in size.*128 x 96.*192 x 96"):
        inspect_movies([tmp_path / "a.isxb", tmp_path / "b.isxb"])


def test_other_movies_keep_their_order_and_may_differ_in_size(tmp_path: Path) -> None:
    write_mp4(tmp_path / "b.mp4", images(192), 20)
    write_mp4(tmp_path / "a.mp4", images(128), 20)

    movies = inspect_movies([tmp_path / "b.mp4", tmp_path / "a.mp4"])

    assert [movie.width for movie in movies] == [192, 128]


def test_a_crop_beyond_the_frames_is_refused_before_reading(tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", images(), 20)
    info = inspect_movie(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r"1,0,128,96 .* reaches beyond .* 128 x 96"):
        open_movie(info, CropRectangle(1, 0, 128, 96))


@pytest.mark.parametrize("numbers", [(-1, 0, 5, 5), (0, -1, 5, 5), (0, 0, 0, 5), (0, 0, 5, 0)])
def test_a_crop_without_area_is_refused(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match="width and height 1 or more"):
        CropRectangle(*numbers)


# Reading a part of a movie

NUM_FRAMES = 12
FORMATS = ["isxb", "mp4", "avi"]


@pytest.fixture(scope="module")
def whole_movies(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[MovieInfo, FrameBatch]]:
    """A movie of each format, with all its frames; the .isxb has lost some."""
    folder = tmp_path_factory.mktemp("movies")
    write_isxb(folder / "a.isxb", images(count=NUM_FRAMES), 20, dropped=[4, 5, 11])
    write_mp4(folder / "a.mp4", images(count=NUM_FRAMES), 20)
    write_avi(folder / "a.avi", images(count=NUM_FRAMES), 20)
    movies = [inspect_movie(folder / f"a.{name}") for name in FORMATS]
    return {movie.format: (movie, next(batches_of(open_movie(movie), 100))) for movie in movies}


def batches_of(reader: MovieReader, capacity: int) -> Iterator[FrameBatch]:
    with reader:
        while batch := reader.read(np.empty((capacity, *reader.image_shape), np.uint8)):
            yield batch


def assert_is_part(batch: FrameBatch, whole: FrameBatch) -> None:
    part = slice(batch.first_frame_index, batch.first_frame_index + len(batch))
    for name in ("images", "time_s", "hardware_counter_us", "status"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(whole, name)[part], name)


@pytest.mark.parametrize("name", FORMATS)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=8),
    most_frames=st.none() | st.integers(1, NUM_FRAMES + 3),
)
@settings(max_examples=30)
def test_frames_behind_skipped_ones_are_those_of_the_whole_movie_up_to_a_limit(
    whole_movies: dict[str, tuple[MovieInfo, FrameBatch]],
    name: str,
    steps: list[tuple[bool, int]],
    most_frames: int | None,
) -> None:
    movie, whole = whole_movies[name]
    num_frames = min(NUM_FRAMES, NUM_FRAMES if most_frames is None else most_frames)
    index = 0
    with open_movie(movie, most_frames=most_frames) as reader:
        for is_read, count in steps:
            expected = min(count, num_frames - index)
            if is_read:
                batch = reader.read(np.empty((count, *reader.image_shape), np.uint8))
                assert (0 if batch is None else len(batch)) == expected
                if batch is not None:
                    assert batch.first_frame_index == index
                    assert_is_part(batch, whole)
            else:
                assert reader.skip(count) == expected
            index += expected


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("most_frames", [1, 8, NUM_FRAMES - 1, NUM_FRAMES, NUM_FRAMES + 1, 10**9])
def test_a_limit_ends_a_movie_as_its_last_frame_does(
    whole_movies: dict[str, tuple[MovieInfo, FrameBatch]], name: str, most_frames: int
) -> None:
    movie, whole = whole_movies[name]
    reader = open_movie(movie, most_frames=most_frames)

    batches = list(batches_of(reader, 4))

    for batch in batches:
        assert_is_part(batch, whole)
    indices = chain.from_iterable(
        range(batch.first_frame_index, batch.first_frame_index + len(batch)) for batch in batches
    )
    assert list(indices) == list(range(min(most_frames, NUM_FRAMES)))
    assert all(len(batch) == 4 for batch in batches[:-1])


@pytest.mark.parametrize("name", FORMATS)
def test_a_limit_counts_again_when_a_movie_is_read_again(
    whole_movies: dict[str, tuple[MovieInfo, FrameBatch]], name: str
) -> None:
    reader = open_movie(whole_movies[name][0], most_frames=5)

    for _ in range(2):
        with reader:
            assert [reader.skip(3), reader.skip(3), reader.skip(3)] == [3, 2, 0]


def test_a_movie_that_cannot_be_read_any_more_is_an_error_when_skipping_too(
    tmp_path: Path,
) -> None:
    write_mp4(tmp_path / "a.mp4", images(), 20)
    movie = inspect_movie(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").unlink()

    with open_movie(movie) as reader, pytest.raises(MovieError, match=r"a\.mp4"):
        reader.skip(1)
