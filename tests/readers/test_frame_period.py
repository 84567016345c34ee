"""The frame rate is that at which a movie was made, however few frames it has."""

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from readers import inspect_movie
from tests.cases import CASES

CASE = CASES / "short.ts"
KINDS = [
    ("ts", "libx264"),
    ("ts", "mpeg2video"),
    ("m2ts", "libx264"),
    ("mpg", "mpeg2video"),
    ("mkv", "libx264"),
    ("webm", "libvpx"),
    ("mp4", "libx264"),
    ("avi", "mjpeg"),
    ("flv", "libx264"),
    ("h264", "libx264"),
]


def write(path: Path, codec: str, rate: Fraction, num_frames: int) -> Path:
    with av.open(str(path), "w") as output:
        stream = cast(VideoStream, output.add_stream(codec, rate=rate))
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for time in range(num_frames):
            image = np.full((48, 64, 3), 30 * time, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, 1 / rate
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def test_the_fields_of_a_few_frames_are_not_taken_for_frames() -> None:
    assert inspect_movie(CASE).frame_rate == 30


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
@pytest.mark.parametrize("num_frames", [1, 2, 3, 6])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(60)])
def test_the_rate_of_one_frame_and_of_a_few(
    tmp_path: Path, suffix: str, codec: str, num_frames: int, rate: Fraction
) -> None:
    path = write(tmp_path / f"a.{suffix}", codec, rate, num_frames)

    # Some containers count milliseconds.
    assert float(inspect_movie(path).frame_rate) == pytest.approx(float(rate), rel=0.03)


@pytest.mark.parametrize("rate", [Fraction(10), Fraction(25), Fraction(50)])
def test_two_frames_of_a_wmv_tell_the_rate_and_one_cannot(tmp_path: Path, rate: Fraction) -> None:
    assert inspect_movie(write(tmp_path / "a.wmv", "wmv2", rate, 2)).frame_rate == rate
    assert inspect_movie(write(tmp_path / "b.wmv", "wmv2", rate, 1)).frame_rate == 25
