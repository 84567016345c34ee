"""Pictures are found in a growing file where FFmpeg's parser finds them in the finished one."""

from __future__ import annotations

import io
from functools import cache

import av
import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from readers.isxb.pictures import PictureScanner
from tests.small_movies import pictures


@cache
def jpegs(progressive: bool = False) -> list[bytes]:
    """JPEGs of noise, of several sizes."""
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, 3]
    shown = [image for size in (16, 40) for image in pictures(2, size, size)]
    return [cv2.imencode(".jpg", image, options)[1].tobytes() for image in shown]


def by_ffmpeg(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data), mode="r", format="mjpeg") as container:
        return [bytes(packet) for packet in container.demux() if packet.size]


def found(data: bytes, lengths: list[int]) -> list[bytes]:
    """Scan data that come piece by piece."""
    scanner, pictures, place = PictureScanner(0), [], 0
    while place < len(data):
        length = lengths[place % len(lengths)]
        scanner.put(data[place : place + length])
        place += length
        while (picture := scanner.next_picture()) is not None:
            assert data[: scanner.end].endswith(picture)
            pictures.append(picture)
    rest = scanner.rest()
    return pictures if rest is None else [*pictures, rest]


def assert_as_ffmpeg(data: bytes, lengths: list[int]) -> None:
    packets, pictures = by_ffmpeg(data), found(data, lengths)
    assert len(packets) == len(pictures)
    for packet, picture in zip(packets, pictures, strict=True):
        assert packet.startswith(picture)


chops = st.lists(st.integers(1, 700), min_size=1, max_size=8)
padding = st.binary(max_size=70).filter(lambda data: b"\xff" not in data)


@given(
    parts=st.lists(st.tuples(st.integers(0, 3), padding, st.booleans()), min_size=1, max_size=6),
    lengths=chops,
)
def test_pictures_with_padding_between(
    parts: list[tuple[int, bytes, bool]], lengths: list[int]
) -> None:
    wanted = [jpegs(is_progressive)[which] for which, _, is_progressive in parts]
    data = b"".join(
        picture + between for picture, (_, between, _) in zip(wanted, parts, strict=True)
    )

    assert found(data, lengths) == wanted
    assert_as_ffmpeg(data, lengths)


@given(parts=st.lists(st.tuples(st.integers(0, 3), st.integers(2, 300)), max_size=5), lengths=chops)
def test_pictures_whose_end_is_missing_end_where_the_next_begins(
    parts: list[tuple[int, int]], lengths: list[int]
) -> None:
    data = jpegs()[0] + b"".join(jpegs()[which][:-lost] for which, lost in parts) + jpegs()[3]

    pictures = found(data, lengths)

    assert pictures[0] == jpegs()[0]
    assert pictures[-1] == jpegs()[3]
    assert_as_ffmpeg(data, lengths)


@given(lengths=chops)
def test_a_small_picture_within_a_picture_is_none_of_its_own(lengths: list[int]) -> None:
    small, large = jpegs()[0], jpegs()[2]
    segment = b"\xff\xe1" + (2 + len(small)).to_bytes(2, "big") + small
    data = (large[:2] + segment + large[2:]) * 2

    assert found(data, lengths) == [large[:2] + segment + large[2:]] * 2
    assert_as_ffmpeg(data, lengths)


def test_a_picture_is_given_with_its_last_byte() -> None:
    scanner = PictureScanner(0)
    picture = jpegs()[0]

    scanner.put(picture[:-1])
    assert scanner.next_picture() is None
    scanner.put(picture[-1:])

    assert scanner.next_picture() == picture


def test_garbage_takes_no_memory() -> None:
    scanner = PictureScanner(0)
    for seed in range(20):
        scanner.put(np.random.default_rng(seed).integers(0, 255, 2**16, np.uint8).tobytes())
        assert scanner.next_picture() is None
        assert (seed + 1) * 2**16 - scanner.end < 4  # all else is let go of


def test_a_picture_that_never_ends_is_given_up_at_32_mib() -> None:
    scanner = PictureScanner(0)
    scanner.put(jpegs()[0][:-2])
    num_bytes, sizes = len(jpegs()[0]) - 2 + 40 * 2**20, []
    for _ in range(40):
        scanner.put(bytes(2**20))
        picture = scanner.next_picture()
        if picture is not None:
            sizes.append(len(picture))

    assert sizes == [2**25]
    assert num_bytes - scanner.end < 2**24
