"""Rows of an .avi are its pictures and the frames that its recorder dropped, each at its time."""

import re
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readers import FrameStatus, inspect_movie
from tests.cases import CASES
from tests.readers.cameras import read_by_opencv
from tests.readers.damaged import FRAME_RATE, copied, encode, packet_places, read_all

DROPPED = [3, 4, 11, *range(20, 26)]


def decoded(path: Path) -> list[int]:
    return list(map(int, np.flatnonzero(read_all(path).status == FrameStatus.DECODED)))


def assert_pictures_as_opencv(path: Path) -> None:
    np.testing.assert_array_equal(read_all(path).images[decoded(path)], read_by_opencv(path))


def test_frames_dropped_among_b_frames_have_their_own_rows() -> None:
    path = CASES / "avi_bframes_with_drops.avi"

    movie = read_all(path)

    assert np.flatnonzero(movie.status == FrameStatus.DROPPED).tolist() == DROPPED
    assert_pictures_as_opencv(path)
    np.testing.assert_allclose(movie.time_s, np.arange(30) / 30)


@given(
    # An .avi of B-frames does not tell when its last two pictures are shown.
    dropped=st.sets(st.integers(1, 20), max_size=12),
    codec=st.sampled_from([("mpeg4", "2"), ("mpeg4", "0"), ("libx264", "3"), ("mjpeg", "0")]),
)
@settings(max_examples=6)
def test_dropped_frames_have_their_own_rows_whatever_the_order_of_pictures(
    tmp_path_factory: pytest.TempPathFactory, dropped: set[int], codec: tuple[str, str]
) -> None:
    name, num_b_frames = codec
    times = [time for time in range(24) if time not in dropped]
    options = {} if name == "mjpeg" else {"bf": num_b_frames, "g": "9"}
    path = encode(
        tmp_path_factory.mktemp("a") / "a.avi",
        name,
        "yuvj420p" if name == "mjpeg" else "yuv420p",
        times,
        codec_options=options,
    )

    assert decoded(path) == times
    np.testing.assert_allclose(read_all(path).time_s, np.arange(24) / FRAME_RATE)
    assert_pictures_as_opencv(path)


def test_chunks_that_only_keep_time_are_no_frames() -> None:
    path = CASES / "h264_copied_into.avi"

    movie = read_all(path)

    assert not movie.status.any()
    np.testing.assert_allclose(movie.time_s, np.arange(30) / 30)
    assert_pictures_as_opencv(path)
    assert inspect_movie(path).frame_rate == 30


@pytest.mark.often(4)
@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg"])
@pytest.mark.parametrize("multiple", [2, 3, 5])
def test_a_copy_that_counts_faster_has_the_same_rows(
    tmp_path: Path, codec: str, multiple: int
) -> None:
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    whole = encode(tmp_path / ("a.mkv" if codec == "mjpeg" else "a.ts"), codec, pixel_format)
    copy = copied(whole, tmp_path / "a.avi", multiple * FRAME_RATE)

    movie, original = read_all(copy), read_all(whole)

    np.testing.assert_array_equal(movie.status, original.status)
    np.testing.assert_array_equal(movie.images, original.images)
    np.testing.assert_allclose(movie.time_s, original.time_s, atol=1e-9)
    assert inspect_movie(copy).frame_rate == FRAME_RATE


def test_a_picture_that_is_not_coded_is_the_one_before() -> None:
    path = CASES / "mpeg4_not_coded_vop.avi"

    movie = read_all(path)

    assert not movie.status.any()
    np.testing.assert_allclose(movie.time_s, np.arange(16) / 30)
    np.testing.assert_array_equal(np.delete(movie.images, [5, 6, 11], 0), read_by_opencv(path))
    for index in (5, 6, 11):
        np.testing.assert_array_equal(movie.images[index], movie.images[index - 1])


@pytest.mark.parametrize("num_b_frames", ["0", "1", "2"])
def test_pictures_of_a_few_bytes_are_their_own(tmp_path: Path, num_b_frames: str) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as output:
        options = {"bf": num_b_frames, "g": "50", "b_strategy": "0"}
        stream = output.add_stream("mpeg4", rate=FRAME_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for index in range(24):
            image = np.full((32, 48, 3), 90, np.uint8)
            image[: 16 * (index // 5 % 2), :16] = 200  # most pictures are the one before
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    assert min(size for _, size in packet_places(path)) <= 19

    assert decoded(path) == list(range(24))
    assert_pictures_as_opencv(path)


def packed(path: Path, copy: Path, slots: Sequence[int]) -> Path:
    """Pack pictures of B-frames as Xvid does: P and B in one packet, then one that is not coded.

    Packets stand at the given numbers; the other chunks are empty.
    """
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        chunks = [bytes(packet) for packet in source.demux(stream) if packet.size]
    not_coded = b"\x00\x00\x01\xb6\x5f\x9b"
    packets = [re.sub(b"\x00\x00\x01\xb2Lavc[^\x00]*", b"\x00\x00\x01\xb2DivX503b1393p", chunks[0])]
    for first, second in zip(chunks[1::2], chunks[2::2], strict=False):
        packets += [first + second, not_coded]
    data = bytearray(path.read_bytes())
    places = packet_places(path)
    body = b""
    for slot in range(max(slots) + 1):
        content = packets[slots.index(slot)] if slot in slots else b""
        body += b"00dc" + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
    data[places[0][0] - 8 :] = body
    copy.write_bytes(data)
    return copy


@pytest.mark.parametrize("dropped", [[], [3, 4, 11, 15]])
def test_xvids_packed_pictures_have_the_rows_of_their_chunks(
    tmp_path: Path, dropped: list[int]
) -> None:
    options = {"bf": "1", "g": "50", "b_strategy": "0"}
    whole = encode(tmp_path / "a.avi", "mpeg4", times=range(21), codec_options=options)
    slots = [slot for slot in range(21 + len(dropped)) if slot not in dropped]

    path = packed(whole, tmp_path / "packed.avi", slots)

    assert decoded(path) == slots
    np.testing.assert_array_equal(read_all(path).images[slots], read_all(whole).images)
