"""Matroska movies are read as OpenCV reads them, also where their recorder was killed."""

from pathlib import Path

import av
import numpy as np
import pytest

from readers import FrameStatus, MovieError, inspect_movie, open_movie
from readers.container.ebml import UNKNOWN_SIZE, segment_place
from tests.readers.cameras import read_by_opencv
from tests.readers.damaged import FRAME_RATE, NUM_FRAMES, encode, packet_places, read_all

CODECS = {
    "H.264 with B-frames": ("libx264", "yuv420p", {"bf": "3"}),
    "H.264 without": ("libx264", "yuv420p", {"bf": "0"}),
    "JPEG": ("mjpeg", "yuvj420p", {}),
    "MPEG-4": ("mpeg4", "yuv420p", {}),
    "grey": ("rawvideo", "gray", {}),
}


@pytest.mark.parametrize("codec", CODECS)
def test_every_pixel_is_as_opencv_sees_it(tmp_path: Path, codec: str) -> None:
    name, pixel_format, options = CODECS[codec]
    path = encode(tmp_path / "a.mkv", name, pixel_format, codec_options=options)

    info, movie = inspect_movie(path), read_all(path)

    assert info.format == "mkv"
    assert info.frame_rate == FRAME_RATE
    assert info.damage is None
    assert info.num_frames_from_header is None
    assert not movie.status.any()
    np.testing.assert_array_equal(movie.images, read_by_opencv(path))
    np.testing.assert_allclose(movie.time_s, np.arange(NUM_FRAMES) / FRAME_RATE)


def test_times_are_the_containers_own_to_the_millisecond_from_the_first_frame_on(
    tmp_path: Path,
) -> None:
    times = [1000 + time for time in (0, 1, 2, 5, 6, 30)]
    path = encode(tmp_path / "a.mkv", "mjpeg", "yuvj420p", times=times)

    with av.open(str(path)) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]

    assert stored[0] == 50_000
    np.testing.assert_allclose(
        read_all(path).time_s, (np.array(stored) - stored[0]) / 1000, rtol=1e-12
    )


def not_closed(data: bytes) -> bytes:
    """Give the file as it lies on the disk while it is recorded."""
    place = segment_place(data)
    assert place is not None
    return data[:place] + UNKNOWN_SIZE + data[place + len(UNKNOWN_SIZE) :]


def test_what_a_killed_recorder_has_left_is_read_and_told(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv")
    whole = read_all(path)
    path.write_bytes(not_closed(path.read_bytes()))

    assert "never closed" in str(inspect_movie(path).damage)
    np.testing.assert_array_equal(read_all(path).images, whole.images)


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_movie_that_was_cut_off_is_read_as_far_as_it_goes(
    tmp_path: Path, is_closed: bool
) -> None:
    path = encode(tmp_path / "a.mkv", "mjpeg", "yuvj420p")
    whole = read_all(path)
    start, size = packet_places(path)[15]
    data = path.read_bytes()[: start + size // 2]
    path.write_bytes(data if is_closed else not_closed(data))

    part = read_all(path)

    good = np.flatnonzero(part.status == FrameStatus.DECODED)
    np.testing.assert_array_equal(good, np.arange(15))
    assert len(part) <= 16
    np.testing.assert_array_equal(part.images[good], whole.images[good])
    np.testing.assert_array_equal(part.time_s[good], whole.time_s[good])
    assert "was cut off" in str(inspect_movie(path).damage)


def test_a_frame_that_cannot_be_decoded_keeps_its_place(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", codec_options={"bf": "3"})
    whole, data = read_all(path), bytearray(path.read_bytes())
    start, size = packet_places(path)[6]
    data[start + 10 : start + size - 10] = bytes(size - 20)  # the container is left alone
    path.write_bytes(data)

    part = read_all(path)

    assert len(part) == NUM_FRAMES
    assert np.count_nonzero(part.status == FrameStatus.UNDECODABLE) >= 1
    np.testing.assert_array_equal(part.time_s, whole.time_s)


def test_frames_can_be_passed_over(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv")
    whole = read_all(path)

    with open_movie(inspect_movie(path)) as reader:
        assert reader.skip(10) == 10
        batch = reader.read(np.empty((100, *reader.image_shape), np.uint8))

    assert batch is not None
    np.testing.assert_array_equal(batch.images, whole.images[10:])


@pytest.mark.parametrize("size", [4, 40, 200])
def test_a_beginning_of_a_movie_is_refused(tmp_path: Path, size: int) -> None:
    path = encode(tmp_path / "a.mkv")
    path.write_bytes(path.read_bytes()[:size])

    with pytest.raises(MovieError):
        inspect_movie(path)


@pytest.mark.parametrize("other", [".avi", ".mp4", ".ts"])
def test_the_content_counts_whatever_the_suffix_says(tmp_path: Path, other: str) -> None:
    path = encode(tmp_path / f"a{other}", "mpeg4")
    renamed = path.rename(tmp_path / "a.mkv")

    assert len(read_all(renamed)) == NUM_FRAMES
    assert inspect_movie(renamed).damage is None
