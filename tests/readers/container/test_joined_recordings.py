"""Recordings that were joined, or a camera that began anew: each picture once, time goes on."""

import re
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import given, settings
from hypothesis import strategies as st

from readers import FrameBatch, inspect_movie, open_movie
from readers.frame_times import Stretches
from tests.cases import CASES
from tests.readers.cameras import read_by_opencv
from tests.readers.damaged import FRAME_RATE, encode, read_all

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
OPEN = "keyint=6:min-keyint=6:scenecut=0:b-adapt=0:open-gop=1:log-level=0"
KINDS: dict[str, tuple[str, str, dict[str, str], dict[str, str]]] = {
    "H.264 in .ts": (".ts", "libx264", {"g": "6"}, {}),
    "H.264 in .mkv": (".mkv", "libx264", {"g": "6"}, {}),
    "H.264 in a fragmented .mp4": (".mp4", "libx264", {"g": "6"}, FRAGMENTED),
    "H.264 in a fragmented .mp4 of places": (
        ".mp4",
        "libx264",
        {"g": "6"},
        {"movflags": "frag_keyframe+empty_moov"},
    ),
    "H.264 in a plain .mp4": (".mp4", "libx264", {"g": "6"}, {}),
    "H.265 in .ts": (".ts", "libx265", {"x265-params": OPEN}, {}),
    "MPEG-2 in .ts": (".ts", "mpeg2video", {"g": "6", "bf": "2"}, {}),
    "MPEG-4 in .ts": (".ts", "mpeg4", {"g": "6", "bf": "2"}, {}),
    "MJPEG in .mkv": (".mkv", "mjpeg", {}, {}),
}


def part(path: Path, kind: str, num_frames: int) -> Path:
    suffix, codec, codec_options, container = KINDS[kind]
    if "g" in codec_options and path.name.isdigit():  # no two parts have the same pictures
        codec_options = {**codec_options, "g": str(6 - int(path.name))}
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return encode(
        path.with_suffix(suffix), codec, pixel_format, range(num_frames), container, codec_options
    )


def joined(path: Path, parts: list[Path]) -> Path:
    path.write_bytes(b"".join(each.read_bytes() for each in parts))
    return path


def assert_one_behind_the_other(movie: FrameBatch, parts: list[FrameBatch]) -> None:
    assert not movie.status.any()
    np.testing.assert_array_equal(movie.images, np.concatenate([each.images for each in parts]))
    np.testing.assert_allclose(movie.time_s, np.arange(len(movie)) / FRAME_RATE, atol=0.002)


def test_two_recordings_joined_are_read_as_opencv_reads_them_and_their_time_goes_on() -> None:
    path = CASES / "two_recordings_joined.ts"

    movie = read_all(path)

    np.testing.assert_array_equal(movie.images, read_by_opencv(path))
    np.testing.assert_allclose(movie.time_s, np.arange(30) / 30, atol=1e-9)


@pytest.mark.often(5)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [(14, 9), (3, 20, 8)])
def test_each_picture_of_each_part_has_its_row(
    tmp_path: Path, kind: str, lengths: tuple[int, ...]
) -> None:
    parts = [part(tmp_path / str(i), kind, length) for i, length in enumerate(lengths)]

    movie = read_all(joined(tmp_path / f"joined{parts[0].suffix}", parts))

    assert_one_behind_the_other(movie, [read_all(each) for each in parts])


def test_damaged_jpegs_are_undecodable_also_where_all_pictures_before_a_step_are(
    tmp_path: Path,
) -> None:
    """A camera that began anew after a picture or two, both damaged, makes no decoder lenient."""
    lengths = (2, 2, 24)
    parts = [part(tmp_path / str(i), "MJPEG in .mkv", length) for i, length in enumerate(lengths)]
    path = joined(tmp_path / "joined.mkv", parts)
    data = bytearray(path.read_bytes())
    starts = [match.start() for match in re.finditer(b"\xff\xd8\xff", data)]
    damaged = [0, 1, 2, 3, 9, 14, 19]
    for number in damaged:
        end = data.index(b"\xff\xd9", starts[number])
        data[end - 200 : end] = b"\xff\xd9" + bytes(198)
    path.write_bytes(data)

    movie = read_all(path)

    assert len(movie) == 28
    assert np.flatnonzero(movie.status).tolist() == damaged


def test_the_steps_are_told_once(tmp_path: Path) -> None:
    parts = [part(tmp_path / str(i), "H.264 in .ts", length) for i, length in enumerate((9, 7, 8))]
    path = joined(tmp_path / "joined.ts", parts)

    with open_movie(inspect_movie(path)) as reader:
        reader.decode(100)

        assert str(reader.damage).startswith("its times step back at frame 9 and 1 times more")


def test_a_movie_whose_times_never_step_back_is_not_damaged(tmp_path: Path) -> None:
    path = part(tmp_path / "a", "H.264 in .ts", 24)

    with open_movie(inspect_movie(path)) as reader:
        reader.decode(100)

        assert reader.damage is None


def a_packet(
    pts: int | None, dts: int | None, *, is_keyframe: bool = True
) -> "av.Packet[VideoStream]":
    packet = cast("av.Packet[VideoStream]", av.Packet(b"x"))
    packet.pts, packet.dts = pts, dts
    packet.is_keyframe = is_keyframe
    return packet


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), min_size=1, max_size=5),
    st.integers(-(2**33), 2**33),
)
@settings(max_examples=50)
def test_times_of_pictures_that_stand_alone_never_step_back(
    steps: list[list[int]], start: int
) -> None:
    # Each part begins at the same time, and steps by one period or more.
    parts = [start + np.cumsum([0, *(10 + step for step in part)]) for part in steps]
    stretches = Stretches(frame_period=10)
    placed, begun = [], []
    for time in np.concatenate(parts).tolist():
        placed.append(stretches.place(a_packet(time, time)).pts or 0)
        begun.append(stretches.begins)

    firsts = np.cumsum([len(part) for part in parts])[:-1]
    assert np.flatnonzero(begun).tolist() == firsts.tolist()
    expected = np.concatenate([np.diff(part, prepend=part[0] - 10) for part in parts])
    np.testing.assert_array_equal(np.diff(placed, prepend=start - 10), expected)


def test_times_that_are_not_exact_begin_no_recording() -> None:
    stretches = Stretches(frame_period=10)

    for time in (0, 10, 21, 19, 30):
        assert stretches.place(a_packet(time, time)).pts == time
        assert not stretches.begins


def test_pictures_that_change_their_order_begin_no_recording() -> None:
    stretches = Stretches(frame_period=10)

    for time in (0, 160, 80, 40, 20, 60, 120, 100, 140):
        assert stretches.place(a_packet(time, None, is_keyframe=time == 0)).pts == time
        assert not stretches.begins
