"""Pictures are read upright, as players show them, by whatever the file says of that."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from readers import CropRectangle, MovieInfo, inspect_movie
from readers.frames import Orientation
from tests.cases import CASES
from tests.readers.cameras import (
    ONE,
    ORIENTATIONS,
    UNIT,
    display_matrix,
    images_of,
    pictures,
    read,
    read_by_opencv,
    write,
)

WIDTH, HEIGHT = 64, 48
TURNED_ONLY = [kind for kind in ORIENTATIONS if "mirrored" not in kind]


def filmed(path: Path, kind: str) -> Path:
    images = pictures(2, WIDTH, HEIGHT)
    return write(path, images, "libx264", "yuv420p", matrix=display_matrix(kind))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("kind", ORIENTATIONS)
def test_a_movie_is_read_as_its_container_says(tmp_path: Path, kind: str, suffix: str) -> None:
    stored = images_of(read(filmed(tmp_path / f"stored{suffix}", "as stored")))
    path = filmed(tmp_path / f"movie{suffix}", kind)

    info, images = inspect_movie(path), images_of(read(path))

    assert str(info.orientation) == kind
    assert info.stored_size == (WIDTH, HEIGHT)
    assert images.shape[1:3] == (info.height, info.width)
    for index, image in enumerate(stored):
        np.testing.assert_array_equal(images[index], ORIENTATIONS[kind][1](image))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("kind", TURNED_ONLY)
def test_a_turned_movie_is_as_opencv_reads_it(tmp_path: Path, kind: str, suffix: str) -> None:
    path = filmed(tmp_path / f"movie{suffix}", kind)

    np.testing.assert_array_equal(images_of(read(path)), read_by_opencv(path))


def test_a_movie_of_a_phone_is_as_opencv_reads_it() -> None:
    path = CASES / "rotated_phone.mp4"

    assert str(inspect_movie(path).orientation) == "turned by 90° anticlockwise"
    np.testing.assert_array_equal(images_of(read(path)), read_by_opencv(path))


def test_another_angle_is_left_alone_as_opencv_does_and_told(tmp_path: Path) -> None:
    cos, sin = round(ONE * np.cos(np.pi / 6)), round(ONE * np.sin(np.pi / 6))
    path = write(
        tmp_path / "movie.mp4", pictures(2, WIDTH, HEIGHT), "libx264", "yuv420p",
        matrix=[cos, -sin, 0, sin, cos, 0, 0, 0, UNIT],
    )  # fmt: skip

    told = str(inspect_movie(path).orientation)

    assert told == "as stored (an angle of 30° anticlockwise is not applied)"
    np.testing.assert_array_equal(images_of(read(path)), read_by_opencv(path))


def test_a_matrix_of_nothing_is_none(tmp_path: Path) -> None:
    path = write(
        tmp_path / "movie.mp4", pictures(2, WIDTH, HEIGHT), "libx264", "yuv420p",
        matrix=[0, 0, 0, 0, 0, 0, 0, 0, UNIT],
    )  # fmt: skip

    assert inspect_movie(path).orientation == Orientation()


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (63, 47)])
@pytest.mark.parametrize("kind", ORIENTATIONS)
def test_a_crop_is_of_the_upright_picture(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    path = write(
        tmp_path / "movie.mkv", pictures(2, *size), "ffv1", "yuv420p", matrix=display_matrix(kind)
    )
    crop = CropRectangle(5, 8, 31, 22)

    part = images_of(read(path, crop=crop))

    np.testing.assert_array_equal(part, images_of(read(path))[:, 8:30, 5:36])


@given(
    orientation=st.builds(Orientation, st.booleans(), st.booleans(), st.booleans()),
    place=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 4), st.integers(1, 4)),
)
def test_a_part_of_the_upright_picture_and_of_the_stored_one_have_the_same_pixels(
    orientation: Orientation, place: tuple[int, int, int, int]
) -> None:
    stored = np.arange(8 * 7).reshape(7, 8)
    upright = stored.swapaxes(0, 1) if orientation.is_transposed else stored
    upright = upright[:: -1 if orientation.is_mirrored_y else 1]
    upright = upright[:, :: -1 if orientation.is_mirrored_x else 1]
    height, width = upright.shape
    movie = MovieInfo(Path("m"), "mp4", width, height, Fraction(1), orientation=orientation)
    crop = CropRectangle(*place)

    part = crop.as_stored(movie)

    assert set(_part(stored, part).ravel()) == set(_part(upright, crop).ravel())


def _part(image: NDArray[np.int_], crop: CropRectangle) -> NDArray[np.int_]:
    return image[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]


def test_a_camera_may_write_it_into_the_first_h264_picture(tmp_path: Path) -> None:
    """The others are turned with it, as the standard says of this message."""
    by_90_degrees = b"\x00\x00\x00\x01\x06\x2f\x03\x08\x00\x09\x80"
    path = tmp_path / "movie.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, image in enumerate(pictures(3, WIDTH, HEIGHT)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            if packet.is_keyframe:
                told = av.Packet(by_90_degrees + bytes(packet))
                told.pts, told.dts, told.time_base = packet.pts, packet.dts, packet.time_base
                told.stream, told.is_keyframe = stream, True
                container.mux(told)
            else:
                container.mux(packet)

    info, images = inspect_movie(path), images_of(read(path))

    assert str(info.orientation) == "turned by 90° anticlockwise"
    assert images.shape == (3, WIDTH, HEIGHT, 3)
    np.testing.assert_array_equal(images[:, ::-1].swapaxes(1, 2), read_by_opencv(path))


@pytest.mark.parametrize(("number", "kind"), [(1, "as stored"), (3, "turned by 180°"),
    (6, "turned by 90° clockwise"), (8, "turned by 90° anticlockwise")])  # fmt: skip
def test_a_camera_may_write_it_into_its_jpegs(tmp_path: Path, number: int, kind: str) -> None:
    path, jpeg, exif = tmp_path / "movie.mkv", io.BytesIO(), Image.Exif()
    exif[0x0112] = number
    Image.fromarray(pictures(1, WIDTH, HEIGHT)[0]).save(jpeg, "jpeg", exif=exif)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        packet = av.Packet(jpeg.getvalue())
        packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 10), True
        packet.pts = packet.dts = 0
        container.mux(packet)

    (image,) = images_of(read(path))

    assert str(inspect_movie(path).orientation) == kind
    np.testing.assert_array_equal(image, ORIENTATIONS[kind][1](read_by_opencv(path)[0]))
