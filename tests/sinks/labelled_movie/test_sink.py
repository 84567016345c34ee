"""The labelled movie as a file: its frames, size, rate, colours, and what browsers need."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from readers import FrameStatus
from sinks import SEGMENT_LENGTH, num_finished_frames
from sinks.labelled_movie.overlay import Canvas, Overlay, OverlayStyle
from sinks.labelled_movie.segments import FRAGMENTED, encoder
from tests.sinks.labelling import (
    BODY_PARTS,
    DECODED,
    DROPPED,
    UNDECODABLE,
    decode,
    make_batch,
    make_sink,
    moving_poses,
    soft_images,
)

RED = (255, 0, 0)
NOWHERE = (np.nan, np.nan, 0)


def top_level_boxes(path: Path) -> list[str]:
    data, names, offset = path.read_bytes(), [], 0
    while offset < len(data):
        names.append(data[offset + 4 : offset + 8].decode())
        offset += int.from_bytes(data[offset : offset + 4], "big")
    return names


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (2, 3), (30, 40), (31, 40), (30, 41), (31, 41)]
)
def test_an_odd_size_grows_by_a_copy_of_the_last_row_or_column(
    tmp_path: Path, height: int, width: int
) -> None:
    images = soft_images(3, height, width)
    with make_sink(tmp_path / "movie.mp4", images) as sink:
        sink.write(make_batch(images))
    padding = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    expected = np.pad(images, padding, mode="edge")
    movie = decode(tmp_path / "movie.mp4")
    assert movie.shape == expected.shape
    assert np.abs(movie.astype(int) - expected).max() <= 16


def test_a_browser_can_play_it(tmp_path: Path) -> None:
    images = soft_images(10, 30, 40)
    with make_sink(tmp_path / "movie.mp4", images) as sink:
        sink.write(make_batch(images))
    boxes = top_level_boxes(tmp_path / "movie.mp4")
    assert boxes[:3] == ["ftyp", "moov", "sidx"]
    with av.open(str(tmp_path / "movie.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.codec_tag == "avc1"
        assert stream.codec_context.pix_fmt == "yuv420p"


def test_a_long_movie_has_an_index_for_each_part_and_a_table_of_them_in_front(
    tmp_path: Path,
) -> None:
    brightness = np.arange(0, 240, 0.3).astype(np.uint8)
    images = np.broadcast_to(brightness[:, None, None, None], (800, 30, 40, 3))
    with make_sink(tmp_path / "movie.mp4", images) as sink:
        for first in range(0, 800, 50):
            sink.write(make_batch(images[first : first + 50], first=first))

    boxes = top_level_boxes(tmp_path / "movie.mp4")
    assert boxes.count("moof") == boxes.count("mdat") >= 4  # a key frame at least every 250 frames
    with av.open(str(tmp_path / "movie.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        container.seek(round(600 / 30 / stream.time_base), stream=stream)
        frame = next(container.decode(stream))
        index = round((frame.pts or 0) * stream.time_base * 30)
        assert 350 <= index <= 600
        assert abs(frame.to_ndarray(format="rgb24").mean() - brightness[index]) < 3


# 1000000 / 50050 and / 33333 are how cameras tell a period in microseconds. At 5000 frames/s
# seven frames last less than two milliseconds.
@pytest.mark.parametrize(
    "frame_rate",
    [
        Fraction(30),
        Fraction(30000, 1001),
        Fraction(1_000_000, 50_050),
        Fraction(1_000_000, 33_333),
        Fraction(999, 50),
        Fraction(5000),
        Fraction(1_000_000),
        Fraction(1, 600),
    ],
)
def test_the_frame_rate_is_exact_and_no_frame_is_lost(tmp_path: Path, frame_rate: Fraction) -> None:
    images = soft_images(7, 30, 40)
    with make_sink(tmp_path / "movie.mp4", images, frame_rate=frame_rate) as sink:
        sink.write(make_batch(images[:4]))
        sink.write(make_batch(images[4:], first=4))
    with av.open(str(tmp_path / "movie.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == frame_rate
        assert stream.time_base is not None
        assert stream.duration is not None
        assert stream.duration * stream.time_base == 7 / frame_rate
        times_s = [(frame.pts or 0) * stream.time_base for frame in container.decode(stream)]
    assert times_s == [index / frame_rate for index in range(7)]


@pytest.mark.parametrize(
    "frame_rate", [Fraction(29.97), Fraction(96001 * 10**6, 4799999990), Fraction(0.00171)]
)
def test_a_frame_rate_that_no_mp4_can_hold_stays_within_a_part_in_a_hundred_million(
    tmp_path: Path, frame_rate: Fraction
) -> None:
    images = soft_images(3, 30, 40)
    with make_sink(tmp_path / "movie.mp4", images, frame_rate=frame_rate) as sink:
        sink.write(make_batch(images))
    with av.open(str(tmp_path / "movie.mp4")) as container:
        rate = container.streams.video[0].average_rate
    assert rate is not None
    assert abs(rate / frame_rate - 1) < 1e-8


@pytest.mark.parametrize("frame_rate", [Fraction(0), Fraction(-30), Fraction(1_000_001)])
def test_a_frame_rate_out_of_range_is_refused(tmp_path: Path, frame_rate: Fraction) -> None:
    with pytest.raises(ValueError, match=f"from 1/600 to 1000000 .* got {frame_rate}"):
        make_sink(tmp_path / "movie.mp4", soft_images(1, 30, 40), frame_rate=frame_rate)


@pytest.mark.parametrize(
    "color", [(0, 0, 0), (255, 255, 255), RED, (0, 181, 235), (128, 0, 255), (255, 255, 0)]
)
def test_colours_are_converted_and_tagged_as_bt709(
    tmp_path: Path, color: tuple[int, int, int]
) -> None:
    images = np.full((2, 32, 32, 3), color, np.uint8)
    with make_sink(tmp_path / "movie.mp4", images) as sink:
        sink.write(make_batch(images))
    with av.open(str(tmp_path / "movie.mp4")) as container:
        frame = next(container.decode(video=0))
    bt709, limited = 1, 1  # in the numbering of ITU-T H.273, and FFmpeg's
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (bt709, bt709, bt709)
    assert frame.color_range == limited
    planes = frame.to_ndarray().reshape(-1)  # 32 x 32 of luma, then 16 x 16 of each chroma
    found = [planes[:1024].mean(), planes[1024:1280].mean(), planes[1280:].mean()]
    # ITU-R BT.709-6, items 3.2 to 3.4
    red, green, blue = (channel / 255 for channel in color)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    chroma = (blue - luma) / 1.8556, (red - luma) / 1.5748
    expected = [16 + 219 * luma, *(128 + 224 * part for part in chroma)]
    np.testing.assert_allclose(found, expected, atol=1.5)


def test_the_poses_are_drawn_and_not_on_the_images_of_the_batch(tmp_path: Path) -> None:
    images, poses = soft_images(6, 60, 80), moving_poses(6)
    style = OverlayStyle(trail_points=3, draw_skeleton=True, skeleton=(("nose", "tail"),))
    with make_sink(tmp_path / "movie.mp4", images, style=style) as sink:
        sink.write(make_batch(images, poses=poses))
    overlay, expected = Overlay(BODY_PARTS, style), images.copy()
    for image, pose in zip(expected, poses, strict=True):
        overlay.draw(image, pose)
    error = np.abs(decode(tmp_path / "movie.mp4").astype(float) - expected).mean()
    # 2.7 is what 4:2:0 takes off so small and sharp dots; without dots it would be 6.2.
    assert error < 4


def test_only_keypoints_on_black_of_the_same_size(tmp_path: Path) -> None:
    images, poses = soft_images(4, 60, 80), moving_poses(4)
    style = OverlayStyle(keypoints_only=True)
    with make_sink(tmp_path / "movie.mp4", images, style=style) as sink:
        sink.write(make_batch(images, poses=poses))
    movie = decode(tmp_path / "movie.mp4")
    assert movie.shape == images.shape
    assert movie[:, 30:].max() <= 30
    assert movie[0, 12, 10].max() > 100


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 11)))
def test_the_file_does_not_depend_on_how_frames_are_batched(tmp_path: Path, cuts: set[int]) -> None:
    images, poses = soft_images(12, 30, 40), moving_poses(12)
    status = [DECODED] * 12
    for missing in (0, 5, 6, 11):
        status[missing], images[missing], poses[missing] = DROPPED, 0, NOWHERE
    style = OverlayStyle(trail_points=5, draw_skeleton=True, skeleton=(("nose", "tail"),))

    def write(name: str, limits: list[int]) -> bytes:
        with make_sink(tmp_path / name, images, style=style) as sink:
            for start, end in pairwise(limits):
                batch = make_batch(
                    images[start:end], status[start:end], poses[start:end].copy(), start
                )
                sink.write(batch)
                # The pool hands the batch's memory to the next frames.
                batch.frames.images.flags.writeable = True
                batch.frames.images[:] = 99
                batch.poses[:] = 5
        return (tmp_path / name).read_bytes()

    assert write("batches.mp4", [0, *sorted(cuts), 12]) == write("whole.mp4", [0, 12])


@pytest.mark.parametrize("missing", [DROPPED, UNDECODABLE])
def test_a_frame_without_a_picture_shows_the_last_one_crossed_out(
    tmp_path: Path, missing: FrameStatus
) -> None:
    images = np.zeros((5, 100, 120, 3), np.uint8)
    images[1], images[2] = 100, 200
    status = [missing, DECODED, DECODED, missing, missing]
    poses = np.full((5, 3, 3), NOWHERE)
    poses[2] = [(20, 50, 1), (60, 20, 1), (100, 50, 1)]
    with make_sink(tmp_path / "movie.mp4", images) as sink:
        sink.write(make_batch(images[:4], status[:4], poses[:4]))
        sink.write(make_batch(images[4:], status[4:], poses[4:], first=4))
    movie = decode(tmp_path / "movie.mp4").astype(int)
    assert len(movie) == 5
    places = [(30, 60), (50, 20), (50, 100), (80, 60)]  # off the cross; two had dots in frame 2
    for index, level in ((0, 0), (3, 200), (4, 200)):
        for row, column in places:
            np.testing.assert_allclose(movie[index, row, column], level, atol=8)
        for row, column in ((0, 60), (99, 60), (50, 0), (50, 119)):
            np.testing.assert_allclose(movie[index, row, column], RED, atol=40)
        assert movie[index, 49:51, 59:61, 0].mean() > movie[index, 49:51, 59:61, 1].mean() + 60
    np.testing.assert_allclose(movie[1], 100, atol=8)


@pytest.mark.parametrize("error", [RuntimeError("inference broke"), KeyboardInterrupt()])
def test_after_an_error_the_file_of_before_is_still_there_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(b"before")
    images = soft_images(3, 30, 40)

    def write_and_fail() -> None:
        with make_sink(path, images) as sink:
            sink.write(make_batch(images))
            raise error

    with pytest.raises(type(error)):
        write_and_fail()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_images_of_another_size_are_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    with pytest.raises(ValueError, match="shape"), make_sink(path, soft_images(1, 30, 40)) as sink:
        sink.write(make_batch(soft_images(2, 40, 30)))
    assert not list(tmp_path.iterdir())


def test_nothing_stands_under_the_final_name_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    images = soft_images(3, 30, 40)
    with make_sink(path, images) as sink:
        sink.write(make_batch(images))
        assert not path.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["movie.mp4"]


def write_with_one_encoder(path: Path, images: NDArray[np.uint8], frame_rate: Fraction) -> None:
    height, width = images.shape[1:3]
    canvas = Canvas(width, height)
    with encoder(path, canvas.padded_shape, 1 / frame_rate, FRAGMENTED) as encode:
        for image in images:
            canvas.image[:] = image
            encode(canvas.to_yuv420p())


@pytest.mark.parametrize("num_frames", [1, 2, 3, 300])
def test_joining_leaves_what_one_encoder_writes_as_it_is(tmp_path: Path, num_frames: int) -> None:
    images, frame_rate = soft_images(num_frames, 31, 40), Fraction(30000, 1001)
    with make_sink(tmp_path / "ours.mp4", images, frame_rate=frame_rate) as sink:
        sink.write(make_batch(images))
    write_with_one_encoder(tmp_path / "expected.mp4", images, frame_rate)
    assert (tmp_path / "ours.mp4").read_bytes() == (tmp_path / "expected.mp4").read_bytes()


def test_after_a_thousand_frames_a_segment_is_closed(tmp_path: Path) -> None:
    path, images = tmp_path / "movie.mp4", soft_images(1, 2, 2)

    with make_sink(path, images) as sink:
        for index in range(999):
            sink.write(make_batch(images, first=index))
        assert num_finished_frames(path) == 0
        sink.write(make_batch(images, first=999))
        assert num_finished_frames(path) == SEGMENT_LENGTH == 1000
        sink.write(make_batch(images, first=1000))

    assert len(decode(path)) == 1001
    assert num_finished_frames(path) == 0
