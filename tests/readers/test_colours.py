"""Every pixel is as OpenCV, and so DeepLabCut, sees it: a model has learned from such pictures."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from readers import MovieInfo
from readers.pixels import RgbConverter
from tests.cases import CASES
from tests.readers.cameras import images_of, pictures, read, read_by_opencv, write

FULL_RANGE = 2
UNCOMPRESSED = [
    "gray", "rgb24", "bgr24", "bgra", "rgb555le", "yuyv422", "uyvy422", "yvyu422", "nv12", "nv21",
    "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv411p", "yuv410p", "yuv440p", "p010le",
]  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "pixel_format", "width", "height"),
    [
        ("libx264", "yuv420p", 128, 96),
        ("libx264", "yuv444p", 129, 97),
        ("libx264", "yuv422p", 130, 98),
        ("libx264", "yuvj420p", 128, 96),
        ("libx264", "yuv420p10le", 128, 96),
        ("libx264", "yuv422p10le", 128, 96),
        ("mpeg4", "yuv420p", 129, 98),
        ("mpeg4", "yuv420p", 128, 97),
        ("mjpeg", "yuvj422p", 129, 97),
        ("mjpeg", "yuvj420p", 128, 97),
        ("ffv1", "yuv420p", 66, 47),
        ("ffv1", "yuv411p", 70, 46),
        ("ffv1", "yuv410p", 70, 46),
        ("ffv1", "yuv440p", 70, 46),
        ("ffv1", "yuv420p10le", 70, 46),
        ("ffv1", "gray10le", 70, 46),
        ("ffv1", "gray12le", 70, 46),
        ("ffv1", "gray16le", 70, 46),
        ("huffyuv", "yuv422p", 66, 47),
        ("huffyuv", "rgb24", 66, 47),
        ("utvideo", "yuv420p", 66, 48),
        ("utvideo", "gbrp", 66, 47),
    ],
)
def test_every_codec(
    tmp_path: Path, codec: str, pixel_format: str, width: int, height: int
) -> None:
    name = "movie.mp4" if codec == "libx264" else "movie.avi"
    path = write(tmp_path / name, pictures(3, width, height), codec, pixel_format)

    np.testing.assert_array_equal(images_of(read(path)), read_by_opencv(path))


@pytest.mark.parametrize("size", [(128, 96), (70, 46), (66, 47), (129, 97)])
@pytest.mark.parametrize("pixel_format", UNCOMPRESSED)
def test_every_uncompressed_format_of_capture_devices(
    tmp_path: Path, pixel_format: str, size: tuple[int, int]
) -> None:
    path = write(tmp_path / "movie.avi", pictures(2, *size), "rawvideo", pixel_format)

    np.testing.assert_array_equal(images_of(read(path)), read_by_opencv(path))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_what_the_movie_says_of_its_colours_is_passed_over(
    tmp_path: Path, pixel_format: str
) -> None:
    path = write(
        tmp_path / "movie.mkv", pictures(3, 128, 96), "ffv1", pixel_format,
        color_range=FULL_RANGE, colorspace=1,
    )  # fmt: skip

    np.testing.assert_array_equal(images_of(read(path)), read_by_opencv(path))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv420p10le"])
def test_fields_are_converted_as_one_picture(tmp_path: Path, pixel_format: str) -> None:
    path = write(
        tmp_path / "movie.mp4", pictures(3, 128, 96), "libx264", pixel_format,
        options={"x264-params": "tff=1"},
    )  # fmt: skip
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame

    np.testing.assert_array_equal(images_of(read(path)), read_by_opencv(path))


@pytest.mark.parametrize("name", ["full_range_vp9.mkv", "interlaced_colour.mp4", "yuyv_raw.avi"])
def test_movies_that_differed(name: str) -> None:
    np.testing.assert_array_equal(images_of(read(CASES / name)), read_by_opencv(CASES / name))


def test_odd_sizes_of_subsampled_formats_lose_no_row_or_column(tmp_path: Path) -> None:
    images = pictures(1, 129, 97)
    path = write(tmp_path / "movie.avi", images, "mpeg4", "yuv420p")

    (batch,) = read(path)

    assert batch.images.shape == (1, 97, 129, 3)
    brightness_error = batch.images[0].mean(axis=-1) - images[0].mean(axis=-1)
    assert np.abs(brightness_error[:, -1]).mean() < 30
    assert np.abs(brightness_error[-1]).mean() < 30


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "nv12", "gray", "gbrp"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("color_range", range(3)),
        ("colorspace", range(18)),
        ("color_trc", range(20)),
        ("color_primaries", range(14)),
    ],
)
def test_no_word_of_a_picture_changes_its_colours_even_one_that_is_reserved(
    pixel_format: str, name: str, values: range
) -> None:
    source = av.VideoFrame.from_ndarray(pictures(1, 64, 48)[0], format="rgb24")
    picture = source.reformat(format=pixel_format)
    converter = RgbConverter(MovieInfo(Path("m"), "avi", 64, 48, Fraction(1)), None)
    expected, converted = np.empty((2, 48, 64, 3), np.uint8)
    converter.convert(picture, expected)

    for value in values:
        setattr(picture, name, value)
        converter.convert(picture, converted)
        np.testing.assert_array_equal(converted, expected, err_msg=f"{name} {value}")
