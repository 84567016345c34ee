"""Write pictures as .mp4 and .avi, one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray


def write_mp4(path: Path, images: Iterable[NDArray[np.uint8]], frame_rate: float | Fraction) -> int:
    """Write an H.264 movie and return the number of frames.

    Parameters
    ----------
    path
        The file to write.
    images
        uint8, shape (height, width, 3), RGB, all of one size; height and width must be even.
    frame_rate
        Frames per second, kept as an exact fraction.

    Raises
    ------
    ValueError
        If there is no image.
    """
    return _write(path, images, frame_rate, "libx264", "yuv420p", {"crf": "20"})


def write_avi(path: Path, images: Iterable[NDArray[np.uint8]], frame_rate: float | Fraction) -> int:
    """Write a motion-JPEG movie as behaviour cameras do; see `write_mp4`. Any size is allowed."""
    return _write(path, images, frame_rate, "mjpeg", "yuvj420p", {"qmin": "2", "qmax": "4"})


def _write(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    frame_rate: float | Fraction,
    codec: str,
    pixel_format: str,
    options: dict[str, str],
) -> int:
    remaining = iter(images)
    first = next(remaining, None)
    if first is None:
        raise ValueError("a movie needs at least one image, got none")
    rate = Fraction(frame_rate).limit_denominator(1_000_000)
    count = 0
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=rate, options=options))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pixel_format
        for image in chain([first], remaining):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = count, 1 / rate
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode(None))
    return count
