"""Packets that show no picture of their own have no row: rows are pictures, as in OpenCV."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from readers import FrameStatus
from tests.cases import CASES
from tests.readers.cameras import read_by_opencv
from tests.readers.damaged import copied, encode, packet_places, read_all, without

FIELDS = CASES / "field_pairs_1080i_like.ts"


def assert_as_opencv(path: Path) -> None:
    movie, seen = read_all(path), read_by_opencv(path)
    assert not movie.status.any()
    assert movie.images.shape == seen.shape
    assert (
        np.abs(movie.images.astype(int) - seen).max() <= 2
    )  # interlaced colours differ by as much
    assert (np.diff(movie.time_s) > 0).all()


def test_a_hidden_picture_of_vp8_has_no_row() -> None:
    assert_as_opencv(CASES / "vp8_altref.mkv")


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4", ".avi"])
def test_two_fields_are_one_row(tmp_path: Path, suffix: str) -> None:
    path = copied(FIELDS, tmp_path / f"a{suffix}")

    assert_as_opencv(path)
    np.testing.assert_allclose(np.diff(read_all(path).time_s), 0.08, atol=1e-3)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_picture_that_lost_a_field_keeps_its_row(tmp_path: Path, lost: int) -> None:
    path = copied(FIELDS, tmp_path / "a.mp4")
    whole = read_all(path)
    place = packet_places(path)[8 + lost]

    movie = read_all(without(path, [place], tmp_path / "b.mp4"))

    np.testing.assert_array_equal(movie.time_s, whole.time_s)
    assert np.flatnonzero(movie.status).tolist() == [4]
    np.testing.assert_array_equal(np.delete(movie.images, 4, 0), np.delete(whole.images, 4, 0))


def test_a_picture_whose_first_field_was_never_there_moves_no_other(tmp_path: Path) -> None:
    path, part = copied(FIELDS, tmp_path / "a.mkv"), tmp_path / "b.mkv"
    whole = read_all(path)

    movie = read_all(without(path, [packet_places(path)[8]], part))  # with the head of its block

    assert len(list(packets_of(part))) == len(list(packets_of(path))) - 1
    np.testing.assert_array_equal(np.delete(movie.time_s, 4), np.delete(whole.time_s, 4))
    np.testing.assert_array_equal(np.delete(movie.images, 4, 0), np.delete(whole.images, 4, 0))


OPEN = "keyint=8:min-keyint=8:scenecut=0:b-adapt=0:bframes=3:open-gop=1"
CODECS = {
    "H.264": ("libx264", {"x264-params": OPEN}),
    "H.265": ("libx265", {"x265-params": f"{OPEN}:log-level=0"}),
    "MPEG-2": ("mpeg2video", {"g": "8", "bf": "2"}),
}


def packets_of(path: Path) -> Iterator["av.Packet[VideoStream]"]:
    with av.open(str(path)) as container:
        yield from (packet for packet in container.demux(video=0) if packet.size)


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
@pytest.mark.parametrize("codec", CODECS)
def test_pictures_that_lead_up_to_the_key_picture_behind_a_cut_have_no_row(
    tmp_path: Path, codec: str, suffix: str
) -> None:
    """They are made from pictures that were cut away."""
    name, options = CODECS[codec]
    whole = encode(tmp_path / "a.ts", name, codec_options=options)
    cut = tmp_path / f"cut{suffix}"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        num_keys, times = 0, []
        for packet in source.demux(video=0):
            num_keys += packet.is_keyframe and packet.size > 0
            if num_keys >= 2 and packet.size:
                times.append(packet.pts or 0)
                packet.stream = stream
                target.mux(packet)
    assert times[0] > min(times)  # there are such pictures

    movie = read_all(cut)

    assert_as_opencv(cut)
    assert len(movie) == sum(time >= times[0] for time in times)
    np.testing.assert_array_equal(movie.images, read_all(whole).images[-len(movie) :])


def test_a_damaged_picture_of_vp8_keeps_its_row(tmp_path: Path) -> None:
    path = CASES / "vp8_altref.mkv"
    place, size = packet_places(path)[12]
    data = bytearray(path.read_bytes())
    data[place + size - 160 : place + size] = bytes(160)  # its beginning: the place is the block's
    damaged = tmp_path / "a.mkv"
    damaged.write_bytes(data)

    movie = read_all(damaged)

    np.testing.assert_array_equal(movie.time_s, read_all(path).time_s)
    assert (movie.status != FrameStatus.DROPPED).all()
