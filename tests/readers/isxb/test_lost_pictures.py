"""A bad sector over the start of a picture takes that picture's row away from no other."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.synthetic import write_isxb
from readers import FrameBatch, FrameStatus, MovieError, inspect_movie, open_movie
from readers.isxb.layout import HEADER, Part
from readers.isxb.pictures import extents
from tests.readers.damaged import isxb_header, read_all

WIDTH, HEIGHT, NUM_PICTURES = 96, 64, 24
DROPPED = (0, 7, 8)
CANNOT_TELL = "it cannot be told which"
REFUSAL = re.compile(CANNOT_TELL + "|holds no frame|more pictures")


@dataclass(frozen=True)
class Movie:
    path: Path
    data: bytes
    places: list[slice]
    """Of each picture within the file."""
    rows: list[int]
    """Of each picture within the movie, which counts dropped frames."""
    whole: FrameBatch

    def touched_by(self, damage: slice) -> NDArray[np.bool_]:
        """For each row, whether damage lies in its picture."""
        touched = np.zeros(len(self.whole), bool)
        for row, place in zip(self.rows, self.places, strict=True):
            touched[row] = place.start < damage.stop and damage.start < place.stop
        return touched

    def damaged(self, path: Path, *damage: tuple[slice, bytes]) -> Path:
        data = bytearray(self.data)
        for place, content in damage:
            data[place] = content
        path.write_bytes(data)
        return path


def noisy_images(seed: int, *, spread: float) -> list[NDArray[np.uint8]]:
    """Make pictures whose sizes differ by as much as `spread`."""
    random = np.random.default_rng(seed)
    images = []
    for _ in range(NUM_PICTURES + len(DROPPED)):
        image = 128 + 40 * random.standard_normal((HEIGHT, WIDTH))
        image[int(HEIGHT / random.uniform(1, spread)) :] = 128
        images.append(np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))
    return images


def make_movie(folder: Path, seed: int, *, spread: float) -> Movie:
    path = folder / f"{seed}-{spread}.isxb"
    write_isxb(path, noisy_images(seed, spread=spread), 20, dropped=DROPPED)
    data = path.read_bytes()
    video_end = isxb_header(data)[8]
    starts = [i for i in range(96, video_end) if data.startswith(b"\xff\xd8\xff", i)]
    places = [slice(a, b) for a, b in zip(starts, [*starts[1:], video_end], strict=True)]
    rows = [i for i in range(NUM_PICTURES + len(DROPPED)) if i not in DROPPED]
    return Movie(path, data, places, rows, read_all(path))


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> list[Movie]:
    folder = tmp_path_factory.mktemp("movies")
    return [make_movie(folder, seed, spread=spread) for seed, spread in enumerate((1, 2, 4))]


@pytest.fixture
def movie(movies: list[Movie]) -> Movie:
    return movies[1]


def zeros(place: slice) -> tuple[slice, bytes]:
    return place, bytes(place.stop - place.start)


def noise(place: slice, seed: int = 0) -> tuple[slice, bytes]:
    return place, np.random.default_rng(seed).bytes(place.stop - place.start)


def assert_own_pixels(batch: FrameBatch, movie: Movie, touched: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(batch.time_s, movie.whole.time_s)
    np.testing.assert_array_equal(batch.hardware_counter_us, movie.whole.hardware_counter_us)
    np.testing.assert_array_equal(batch.status[~touched], movie.whole.status[~touched])
    np.testing.assert_array_equal(batch.images[~touched], movie.whole.images[~touched])


def read_behind(path: Path, num_skipped: int) -> FrameBatch | None:
    with open_movie(inspect_movie(path)) as reader:
        reader.skip(num_skipped)
        return reader.read(np.empty((1000, *reader.image_shape), np.uint8))


def read_or_refuse(path: Path, num_skipped: int) -> tuple[FrameBatch, FrameBatch | None] | str:
    try:
        return read_all(path), read_behind(path, num_skipped)
    except MovieError as error:
        return str(error)


@pytest.fixture(params=[True, False], ids=["counted", "too large to be counted"])
def is_counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setattr("readers.isxb.reader._MOST_COUNTED_BYTES", 0)
    return bool(request.param)


@given(
    is_counted=st.booleans(),
    which=st.integers(0, 2),
    start=st.floats(0, 1),
    size=st.one_of(st.integers(100, 1000), st.integers(100, 20_000)),
    seed=st.none() | st.integers(0, 10**6),
    num_skipped=st.integers(0, NUM_PICTURES),
)
@settings(max_examples=100)
def test_whatever_a_bad_sector_hides_other_frames_keep_their_rows(
    movies: list[Movie],
    tmp_path_factory: pytest.TempPathFactory,
    is_counted: bool,
    which: int,
    start: float,
    size: int,
    seed: int | None,
    num_skipped: int,
) -> None:
    movie = movies[which]
    video_end = movie.places[-1].stop
    first = 96 + int(start * (video_end - 100 - 96))
    place = slice(first, min(first + size, video_end))
    content = zeros(place) if seed is None else noise(place, seed)
    path = movie.damaged(tmp_path_factory.mktemp("damaged") / "a.isxb", content)
    with pytest.MonkeyPatch.context() as patch:
        if not is_counted:
            patch.setattr("readers.isxb.reader._MOST_COUNTED_BYTES", 0)
        result = read_or_refuse(path, num_skipped)
    if isinstance(result, str):
        assert "\n" not in result
        assert REFUSAL.search(result), result
        return
    batch, rest = result
    assert_own_pixels(batch, movie, movie.touched_by(place))
    assert rest is not None
    np.testing.assert_array_equal(rest.images, batch.images[num_skipped:])
    np.testing.assert_array_equal(rest.status, batch.status[num_skipped:])


def test_a_picture_whose_header_is_lost_has_an_undecodable_row(
    movie: Movie, tmp_path: Path, is_counted: bool
) -> None:
    for index in (0, 5, NUM_PICTURES - 1):
        start = movie.places[index].start
        place = slice(start, start + 700)
        path = movie.damaged(tmp_path / f"{index}.isxb", zeros(place))

        with open_movie(inspect_movie(path)) as reader:
            batch = reader.read(np.empty((1000, *reader.image_shape), np.uint8))
            damage = str(reader.damage)

        assert batch is not None
        assert_own_pixels(batch, movie, movie.touched_by(place))
        assert batch.status[movie.rows[index]] == FrameStatus.UNDECODABLE
        assert "1 picture is missing" in damage
        assert (inspect_movie(path).damage == damage) == is_counted


@pytest.mark.usefixtures("is_counted")
@pytest.mark.parametrize("content", [zeros, noise])
def test_several_bad_sectors_are_told_apart_by_their_sizes(
    movies: list[Movie], tmp_path: Path, content: Callable[[slice], tuple[slice, bytes]]
) -> None:
    movie = movies[0]  # all its pictures have about one size
    places = [
        slice(movie.places[first].start - 300, movie.places[last].start + 700)
        for first, last in ((3, 3), (7, 9), (15, 16), (20, 20))
    ]
    inside = slice(movie.places[12].start + 1000, movie.places[12].start + 2000)
    places.append(inside)  # hides no start of a picture
    path = movie.damaged(tmp_path / "a.isxb", *map(content, places))

    with open_movie(inspect_movie(path)) as reader:
        batch = reader.read(np.empty((1000, *reader.image_shape), np.uint8))
        assert "7 pictures are missing" in str(reader.damage)

    assert batch is not None
    touched = np.any([movie.touched_by(place) for place in places], axis=0)
    assert_own_pixels(batch, movie, touched)
    lost = [movie.rows[index] for index in (3, 7, 8, 9, 15, 16, 20)]
    assert (batch.status[lost] == FrameStatus.UNDECODABLE).all()


def with_video(movie: Movie, path: Path, video: bytes) -> Path:
    """Write a movie's other parts around another video."""
    header = isxb_header(movie.data)
    header[7] = len(video)
    moved = 96 + len(video) - header[8]
    rest = movie.data[header[8] :]
    header[8] += moved
    header[10] += moved
    path.write_bytes(HEADER.pack(*header) + video + rest)
    return path


@pytest.mark.usefixtures("is_counted")
def test_pictures_that_left_no_trace_are_refused(movie: Movie, tmp_path: Path) -> None:
    pictures = [movie.data[place] for place in movie.places]
    path = with_video(movie, tmp_path / "a.isxb", b"".join(pictures[:5] + pictures[6:]))

    with pytest.raises(MovieError, match=f"24 frames, its pictures 23: 1 missing, {CANNOT_TELL}"):
        read_all(path)


@pytest.mark.parametrize("is_counted", [True, False], indirect=True)
def test_pictures_that_are_too_many_are_refused(
    movie: Movie, tmp_path: Path, is_counted: bool
) -> None:
    pictures = [movie.data[place] for place in movie.places]
    path = with_video(movie, tmp_path / "a.isxb", b"".join(pictures[:5] + pictures[4:]))

    match = f"its pictures 25: 1 too many, {CANNOT_TELL}" if is_counted else "more pictures"
    with pytest.raises(MovieError, match=match):
        read_all(path)


def test_flaws_whose_sizes_do_not_tell_are_refused(movies: list[Movie], tmp_path: Path) -> None:
    movie = movies[2]  # pictures of half or double size stand side by side
    places = [
        slice(movie.places[first].start - 300, movie.places[first + 3].start + 700)
        for first in (4, 10, 16)
    ]
    path = movie.damaged(tmp_path / "a.isxb", *map(zeros, places))

    with pytest.raises(MovieError, match=f"its pictures 12: 12 missing, {CANNOT_TELL}"):
        inspect_movie(path)


@pytest.mark.usefixtures("is_counted")
def test_noise_that_looks_like_the_start_of_a_picture_is_none(movie: Movie, tmp_path: Path) -> None:
    start = movie.places[5].start + 1000
    picture = movie.data[movie.places[5]]
    frame_header = picture.index(b"\xff\xc0")
    thumbnail = bytearray(picture[: picture.index(b"\xff\xda") + 20])
    thumbnail[frame_header + 6] //= 2  # its height
    false_starts = b"\xff\xd8\xff\xe0\x00\x04ab" + bytes(40) + bytes(thumbnail) + bytes(99)
    place = slice(start, start + len(false_starts))

    batch = read_all(movie.damaged(tmp_path / "a.isxb", (place, false_starts)))

    assert_own_pixels(batch, movie, movie.touched_by(place))


@pytest.mark.usefixtures("is_counted")
@pytest.mark.parametrize("padding", [1, 64, 512, 5000])
def test_padding_between_pictures_is_no_damage(movie: Movie, tmp_path: Path, padding: int) -> None:
    video = b"".join(movie.data[place] + bytes(padding) for place in movie.places)
    path = with_video(movie, tmp_path / "a.isxb", video)

    with open_movie(inspect_movie(path)) as reader:
        batch = reader.read(np.empty((1000, *reader.image_shape), np.uint8))
        assert reader.damage is None

    assert batch is not None
    assert_own_pixels(batch, movie, np.zeros(len(batch), bool))


def test_where_pictures_begin_does_not_depend_on_how_much_is_read_at_once(
    movie: Movie, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = Part(96, movie.places[-1].stop - 96)
    whole = list(extents(movie.path, video, WIDTH, HEIGHT))
    assert [extent.offset for extent in whole] == [place.start for place in movie.places]

    for size in (1, 7, 300, 2000):
        monkeypatch.setattr("readers.isxb.pictures._CHUNK_BYTES", size)
        assert list(extents(movie.path, video, WIDTH, HEIGHT)) == whole


def test_one_bad_sector_is_hardly_ever_a_reason_to_refuse(
    movies: list[Movie], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    refused = 0
    for number in range(60):
        movie = movies[number % 3]
        start = int(random.integers(96, movie.places[-1].stop - 10_000))
        place = slice(start, start + int(random.integers(512, 10_000)))
        content = zeros(place) if number % 2 else noise(place, number)
        path = movie.damaged(tmp_path / "a.isxb", content)
        refused += isinstance(read_or_refuse(path, 0), str)
    assert refused <= 1


def test_a_picture_missing_among_those_already_read_ends_in_an_error(
    movies: list[Movie], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = movies[0]
    hidden = slice(movie.places[5].start - 10, movie.places[5].start + 700)
    found = slice(movie.places[12].start, movie.places[12].start + 700)
    no_marker = (hidden, b"\x55" * 710)  # two pictures look like one, only larger
    path = movie.damaged(tmp_path / "a.isxb", no_marker, zeros(found))

    touched = movie.touched_by(hidden) | movie.touched_by(found)
    assert_own_pixels(read_all(path), movie, touched)

    monkeypatch.setattr("readers.isxb.reader._MOST_COUNTED_BYTES", 0)
    with pytest.raises(MovieError, match=f"2 missing, {CANNOT_TELL}"):
        read_all(path)
