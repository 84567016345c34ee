"""A frame that is damaged, or that the recorder dropped, keeps its row; no other row moves."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from readers import FrameBatch, FrameStatus, inspect_movie, open_movie
from tests.readers.damaged import (
    CODECS,
    FRAME_RATE,
    NUM_FRAMES,
    encode,
    packet_places,
    read_all,
    record,
    without,
)
from tests.shared import AVI_MOVIE, ISXB_MOVIE, OPENFIELD_MOVIE, needs_shared

WHICH: dict[str, Sequence[int]] = {
    "first": [0],
    "middle": [11],
    "last": [NUM_FRAMES - 1],
    "many": [2, 3, 8, 13, 14, 15, 20],
    "ends": [0, NUM_FRAMES - 1],
}


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("movies")
    made = {
        name: encode(folder / name, *codec, codec_options={"g": "6"})
        for name, codec in CODECS.items()
    }
    return {**made, "a.isxb": record(folder / "a.isxb")}


def places_of(path: Path) -> list[tuple[int, int]]:
    if path.suffix != ".isxb":
        return packet_places(path)
    data = path.read_bytes()
    starts = [i for i in range(len(data)) if data.startswith(b"\xff\xd8\xff", i)]
    ends = [data.index(b"\xff\xd9", start) + 2 for start in starts]
    # Behind the tables: what hides the start of a picture is another matter.
    return [(start + 700, end - start - 700) for start, end in zip(starts, ends, strict=True)]


def assert_same_rows(damaged: FrameBatch, whole: FrameBatch) -> None:
    np.testing.assert_allclose(damaged.time_s, whole.time_s, atol=1e-9)
    np.testing.assert_array_equal(damaged.hardware_counter_us, whole.hardware_counter_us)


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("name", [*CODECS, "a.isxb"])
def test_frames_without_their_data_are_undecodable_in_their_place(
    movies: dict[str, Path], tmp_path: Path, name: str, which: str
) -> None:
    path, whole = movies[name], read_all(movies[name])
    places = [places_of(path)[index] for index in WHICH[which]]

    damaged = read_all(without(path, places, tmp_path / name))

    assert_same_rows(damaged, whole)
    undecodable = np.flatnonzero(damaged.status == FrameStatus.UNDECODABLE)
    assert not damaged.images[undecodable].any()
    if name in ("mjpeg.avi", "a.isxb"):  # each picture stands alone
        assert undecodable.tolist() == list(WHICH[which])
        good = np.flatnonzero(damaged.status == FrameStatus.DECODED)
        np.testing.assert_array_equal(damaged.images[good], whole.images[good])
    else:
        assert len(undecodable) >= len(WHICH[which])
        assert (damaged.status != FrameStatus.DROPPED).all()
        before = slice(0, max(0, WHICH[which][0] - 6))
        np.testing.assert_array_equal(damaged.images[before], whole.images[before])


@pytest.mark.parametrize("name", [*CODECS, "a.isxb"])
@given(seed=st.integers(0, 10**6))
@example(seed=46_636)  # the decoder gave a picture before the one that is shown before it
@example(seed=51_872)  # a picture claims a size for which there is no memory
@settings(max_examples=15)
def test_whatever_happens_to_pictures_no_row_is_lost_or_moved(
    movies: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    seed: int,
) -> None:
    random, path = Random(seed), movies[name]  # noqa: S311 - no secret
    data = bytearray(path.read_bytes())
    places = places_of(path)[name == "mpeg4.avi" :]  # its first one holds what all others need
    for start, size in random.sample(places, random.randint(1, 5)):
        for _ in range(random.choice((1, 3, 20))):
            data[start + random.randrange(max(1, size))] = random.randrange(0xC0)  # no marker
    damaged = tmp_path_factory.mktemp("damaged") / name
    damaged.write_bytes(data)

    assert_same_rows(read_all(damaged), read_all(path))


def test_a_movie_without_its_only_key_frame_has_all_its_rows(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", codec_options={"g": "18"})
    places = packet_places(path)

    damaged = read_all(without(path, places[:1], tmp_path / "b.mp4"))

    np.testing.assert_allclose(damaged.time_s, np.arange(NUM_FRAMES) / FRAME_RATE, atol=1e-9)
    assert (damaged.status[:18] == FrameStatus.UNDECODABLE).all()
    assert not damaged.status[18:].any()


@pytest.mark.parametrize("codec", ["mjpeg.avi", "mpeg4.avi"])
@pytest.mark.parametrize("index", [1, 11, NUM_FRAMES - 1])
def test_an_avi_whose_chunk_lost_its_name_does_not_move_the_frames_behind(
    movies: dict[str, Path], tmp_path: Path, codec: str, index: int
) -> None:
    path, whole = movies[codec], read_all(movies[codec])
    start, _ = packet_places(path)[index]

    damaged = read_all(without(path, [(start - 8, 16)], tmp_path / "a.avi"))

    assert_same_rows(damaged, whole)
    assert damaged.status[index] == FrameStatus.UNDECODABLE
    if codec == "mjpeg.avi":
        good = np.arange(NUM_FRAMES) != index
        np.testing.assert_array_equal(damaged.images[good], whole.images[good])


DROPPED = [0, 1, 5, 6, 12, 22, 23]


@pytest.mark.parametrize("codec", ["mjpeg.avi", "mpeg4.avi"])
@pytest.mark.parametrize("dropped", [[], [7], [5, 6, 12]])
def test_frames_that_an_avi_dropped_have_rows(
    tmp_path: Path, codec: str, dropped: list[int]
) -> None:
    times = [time for time in range(NUM_FRAMES) if time not in dropped]
    path = encode(tmp_path / "a.avi", *CODECS[codec], times=times)

    batch = read_all(path)

    assert np.flatnonzero(batch.status == FrameStatus.DROPPED).tolist() == dropped
    assert not batch.images[dropped].any()
    assert not batch.status[times].any()
    np.testing.assert_allclose(batch.time_s, np.arange(NUM_FRAMES) / FRAME_RATE)
    assert inspect_movie(path).num_frames_from_header == NUM_FRAMES


def test_frames_that_an_avi_dropped_at_its_ends_have_rows(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", *CODECS["mjpeg.avi"])
    whole, places = read_all(path), packet_places(path)
    data = bytearray(path.read_bytes())
    empty = b"00dc" + bytes(4)
    for index in (NUM_FRAMES - 1, 0):  # from behind: places before stay
        start, size = places[index]
        data[start - 8 : start + size + size % 2] = 2 * empty
    path.write_bytes(data[: data.rindex(b"idx1")])  # the index would be wrong

    batch = read_all(path)

    ends = [0, 1, NUM_FRAMES, NUM_FRAMES + 1]
    assert np.flatnonzero(batch.status).tolist() == ends
    assert (batch.status[ends] == FrameStatus.DROPPED).all()
    np.testing.assert_array_equal(batch.images[2:NUM_FRAMES], whole.images[1:-1])


@pytest.fixture(scope="module")
def movie_with_dropped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FrameBatch]:
    path = record(tmp_path_factory.mktemp("a") / "a.isxb", dropped=DROPPED)
    return path, read_all(path)


@given(num_skipped=st.lists(st.integers(0, 9), max_size=4))
@settings(max_examples=20)
def test_what_follows_skipped_frames_of_an_isxb_is_what_follows_read_ones(
    movie_with_dropped: tuple[Path, FrameBatch], num_skipped: list[int]
) -> None:
    path, whole = movie_with_dropped

    index = 0
    with open_movie(inspect_movie(path)) as reader:
        image = np.empty((1, *reader.image_shape), np.uint8)
        for count in num_skipped:
            index += reader.skip(count)
            batch = reader.read(image)
            if batch is None:
                assert index == NUM_FRAMES
                break
            assert batch.first_frame_index == index
            for name in ("images", "time_s", "hardware_counter_us", "status"):
                np.testing.assert_array_equal(getattr(batch, name)[0], getattr(whole, name)[index])
            index += 1


def test_skipping_an_isxb_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record(tmp_path / "a.isxb")
    with open_movie(inspect_movie(path)) as reader:
        monkeypatch.setattr("readers.isxb.reader.decode_picture", lambda *_: pytest.fail("decoded"))
        assert reader.skip(100) == NUM_FRAMES


@needs_shared
@pytest.mark.parametrize("path", [AVI_MOVIE, ISXB_MOVIE, OPENFIELD_MOVIE])
def test_no_frame_of_a_real_movie_is_taken_for_damaged(path: Path) -> None:
    info = inspect_movie(path)
    with open_movie(info) as reader:
        batch = reader.read(np.empty((40, *reader.image_shape), np.uint8))
        assert batch is not None
        assert not batch.status.any()
        assert reader.damage is None
    assert len(batch) == info.num_frames_from_header


@pytest.mark.parametrize("name", ["mjpeg.avi", "mpeg4.avi"])
def test_a_picture_of_which_the_decoder_made_up_a_part_is_undecodable(
    movies: dict[str, Path], tmp_path: Path, name: str
) -> None:
    path = movies[name]
    start, size = packet_places(path)[6]

    damaged = read_all(without(path, [(start + size // 2, size // 2)], tmp_path / name))

    assert damaged.status[6] == FrameStatus.UNDECODABLE
    assert not damaged.status[:3].any()


def test_an_mp4_that_does_not_tell_when_frames_are_shown_has_them_all_in_order(
    tmp_path: Path,
) -> None:
    path = encode(tmp_path / "a.mp4")
    whole = read_all(path)
    path.write_bytes(path.read_bytes().replace(b"ctts", b"free").replace(b"edts", b"free"))

    batch = read_all(path)

    np.testing.assert_array_equal(batch.images, whole.images)
    np.testing.assert_allclose(batch.time_s, whole.time_s, atol=1e-9)
