"""A part of a picture is the same part of the whole one, whatever its pixel format."""

import functools
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.filter import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from readers import CropRectangle, MovieInfo
from readers.frames import Orientation
from readers.pixels import RgbConverter


def picture(pixel_format: str, width: int, height: int, *, interlaced: bool) -> av.VideoFrame:
    """Make noise: each pixel differs from its neighbours."""
    random = np.random.default_rng(0)
    try:
        noise = random.integers(0, 2**16, (height, width, 3), np.uint16)
        source = av.VideoFrame.from_ndarray(noise, format="rgb48le")
        made = source.reformat(format=pixel_format)
    except (
        av.error.FFmpegError
    ):  # nothing can be converted to this format, such as a camera's mosaic
        made = av.VideoFrame(width, height, pixel_format)
        for plane in made.planes:
            plane.update(random.bytes(plane.buffer_size))
    return _interlaced(made) if interlaced else made


def _interlaced(made: av.VideoFrame) -> av.VideoFrame:
    graph = Graph()
    source = graph.add_buffer(
        width=made.width, height=made.height, format=made.format, time_base=Fraction(1)
    )
    graph.link_nodes(source, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
    graph.push(made)
    flagged = graph.pull()
    assert isinstance(flagged, av.VideoFrame)
    assert flagged.interlaced_frame
    return flagged


def converted(
    made: av.VideoFrame, crop: CropRectangle | None, orientation: Orientation
) -> NDArray[np.uint8]:
    width, height = orientation.size(made.width, made.height)
    movie = MovieInfo(Path("m"), "avi", width, height, Fraction(1), orientation=orientation)
    size = (height, width) if crop is None else (crop.height, crop.width)
    into = np.zeros((*size, 3), np.uint8)
    RgbConverter(movie, crop).convert(made, into)
    return into


@functools.cache
def readable_formats() -> list[str]:
    """Name the pixel formats that FFmpeg converts."""
    readable = []
    for name in sorted(av.video.format.names):  # type: ignore[attr-defined]  # not in PyAV's types
        if name.startswith("yaf32"):  # FFmpeg 8.1 aborts; no movie has such pictures
            continue
        try:
            converted(picture(name, 16, 16, interlaced=False), None, Orientation())
        except (av.error.FFmpegError, ValueError, MemoryError):
            continue
        readable.append(name)
    return readable


COMMON = [
    "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "gray", "rgb24", "bgr24", "bgra", "pal8", "gbrp",
    "nv12", "nv21", "yuyv422", "uyvy422", "yuv410p", "yuv411p", "yuv440p", "yuv420p10le",
    "yuv422p10le", "p010le", "gray10le", "gray16le",
]  # fmt: skip


def test_the_formats_of_cameras_are_among_those_tried() -> None:
    assert set(COMMON) <= set(readable_formats())


ORIENTATIONS = st.builds(Orientation, st.booleans(), st.booleans(), st.booleans())


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_a_crop_is_the_same_part_of_the_whole_picture(data: st.DataObject) -> None:
    pixel_format = data.draw(st.sampled_from(COMMON) | st.sampled_from(readable_formats()))
    made = picture(
        pixel_format,
        data.draw(st.integers(4, 70), "width"),
        data.draw(st.integers(4, 50), "height"),
        interlaced=data.draw(st.booleans(), "interlaced"),
    )
    orientation = data.draw(st.just(Orientation()) | ORIENTATIONS)
    whole = converted(made, None, orientation)
    height, width, _ = whole.shape
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    crop = CropRectangle(
        left,
        top,
        data.draw(st.integers(1, width - left)),
        data.draw(st.integers(1, height - top)),
    )

    part = converted(made, crop, orientation)

    np.testing.assert_array_equal(
        part, whole[top : top + crop.height, left : left + crop.width], err_msg=str(crop)
    )
