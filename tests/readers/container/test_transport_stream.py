"""MPEG transport streams are read as OpenCV reads them, wherever they were cut out."""

from pathlib import Path

import av
import numpy as np
import pytest

from readers import FrameStatus, inspect_movie
from tests.readers.cameras import read_by_opencv
from tests.readers.damaged import FRAME_RATE, NUM_FRAMES, encode, packet_places, read_all

PACKET_BYTES = 188
WRAP = 2**33
"""Times of a transport stream have 33 bits, in units of 1/90000 s."""
CODECS = {
    "H.264 with B-frames": ("libx264", {"bf": "3"}),
    "H.264 without": ("libx264", {"bf": "0"}),
    "MPEG-2": ("mpeg2video", {}),
    "MPEG-4": ("mpeg4", {}),
}


@pytest.mark.parametrize("codec", CODECS)
def test_every_pixel_is_as_opencv_sees_it(tmp_path: Path, codec: str) -> None:
    name, options = CODECS[codec]
    path = encode(tmp_path / "a.ts", name, codec_options=options)

    info, movie = inspect_movie(path), read_all(path)

    assert info.format == "ts"
    assert info.frame_rate == FRAME_RATE
    assert info.damage is None
    assert not movie.status.any()
    np.testing.assert_array_equal(movie.images, read_by_opencv(path))
    np.testing.assert_allclose(movie.time_s, np.arange(NUM_FRAMES) / FRAME_RATE, atol=1e-9)


def test_times_begin_with_the_first_frame_and_go_on_where_the_streams_clock_wraps(
    tmp_path: Path,
) -> None:
    offset_s = WRAP / 90_000 - 0.5
    path = encode(tmp_path / "a.ts", container={"output_ts_offset": f"{offset_s:.6f}"})

    np.testing.assert_allclose(read_all(path).time_s, np.arange(NUM_FRAMES) / FRAME_RATE, atol=1e-4)


@pytest.mark.parametrize("num_lost_bytes", [12 * PACKET_BYTES, 12 * PACKET_BYTES - 100])
def test_frames_before_the_first_key_frame_are_rows_without_a_picture(
    tmp_path: Path, num_lost_bytes: int
) -> None:
    path = encode(tmp_path / "a.ts", codec_options={"g": "8", "bf": "0"})
    whole = read_all(path)
    cut = tmp_path / "cut.ts"
    cut.write_bytes(path.read_bytes()[num_lost_bytes:])
    with av.open(str(cut)) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]

    part = read_all(cut)

    first_key = keys.index(True)
    assert first_key > 0
    assert len(part) == len(keys)
    np.testing.assert_array_equal(part.status[:first_key], FrameStatus.UNDECODABLE)
    assert not part.status[first_key:].any()
    np.testing.assert_array_equal(part.images[first_key:], whole.images[-len(keys) + first_key :])
    np.testing.assert_allclose(part.time_s, np.arange(len(keys)) / FRAME_RATE, atol=1e-9)


def test_a_stream_that_ends_within_a_packet_was_cut_off(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts", codec_options={"bf": "0"})
    whole = read_all(path)
    path.write_bytes(path.read_bytes()[:-100])

    part = read_all(path)

    assert "was cut off" in str(inspect_movie(path).damage)
    good = np.flatnonzero(part.status == FrameStatus.DECODED)
    assert len(good) >= NUM_FRAMES - 2
    np.testing.assert_array_equal(part.images[good], whole.images[good])


def test_packets_with_a_time_code_are_read_too(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts")
    data = path.read_bytes()
    coded = tmp_path / "coded.ts"
    coded.write_bytes(
        b"".join(
            bytes(4) + data[start : start + PACKET_BYTES]
            for start in range(0, len(data), PACKET_BYTES)
        )
    )

    assert inspect_movie(coded).damage is None
    np.testing.assert_array_equal(read_all(coded).images, read_all(path).images)


@pytest.mark.parametrize("index", [3, 10, 13, 20])
def test_a_picture_that_lost_a_part_is_undecodable_and_the_one_before_it_is_not(
    tmp_path: Path, index: int
) -> None:
    """FFmpeg marks the one before."""
    path = encode(tmp_path / "a.ts", codec_options={"g": "8", "bf": "0", "b": "2000000"})
    whole, (place, size) = read_all(path), packet_places(path)[index]
    middle = (place + size // 2) // PACKET_BYTES * PACKET_BYTES
    data = path.read_bytes()
    lossy = tmp_path / "b.ts"
    lossy.write_bytes(data[:middle] + data[middle + PACKET_BYTES :])

    movie = read_all(lossy)

    assert np.flatnonzero(movie.status).tolist() == [index]
    np.testing.assert_array_equal(movie.images[:index], whole.images[:index])
    np.testing.assert_array_equal(movie.time_s, whole.time_s)
