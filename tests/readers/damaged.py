"""Movies to be damaged, and what is left of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream

from benchmarks.synthetic import MouseMovie, write_isxb
from readers import FrameBatch, inspect_movie, open_movie
from readers.isxb.layout import HEADER

WIDTH, HEIGHT, NUM_FRAMES, FRAME_RATE = 128, 96, 24, 20
CODECS = {
    "h264.mp4": ("libx264", "yuv420p"),
    "mjpeg.avi": ("mjpeg", "yuvj420p"),
    "mpeg4.avi": ("mpeg4", "yuv420p"),
}


def encode(
    path: Path,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    times: Sequence[int] = range(NUM_FRAMES),
    container: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> Path:
    """Write a mouse that walks; H.264 with B-frames, as the encoder does by default."""
    mouse = MouseMovie(seed=1, width=WIDTH, height=HEIGHT, num_frames=len(times))
    with av.open(str(path), "w", options=container or {}) as output:
        stream = cast(
            VideoStream, output.add_stream(codec, rate=FRAME_RATE, options=codec_options or {})
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        for time, (image, _) in zip(times, mouse.frames(), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, FRAME_RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def copied(path: Path, copy: Path, rate: int | None = None) -> Path:
    """Copy a movie's packets into another container, which may count at another rate."""
    with av.open(str(path)) as source, av.open(str(copy), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        if rate is not None:
            stream.time_base = Fraction(1, rate)
        start = source.streams.video[0].start_time or 0
        for packet in source.demux(video=0):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - start, packet.dts - start
                packet.stream = stream
                target.mux(packet)
    return copy


def record(path: Path, dropped: Sequence[int] = ()) -> Path:
    """Write an .isxb."""
    mouse = MouseMovie(seed=1, width=WIDTH, height=HEIGHT, num_frames=NUM_FRAMES)
    write_isxb(path, (image for image, _ in mouse.frames()), FRAME_RATE, dropped=dropped)
    return path


def isxb_header(data: bytes) -> list[int]:
    """Give the twelve integers."""
    return list(HEADER.unpack(data[: HEADER.size]))


def read_all(path: Path) -> FrameBatch:
    """Read every frame."""
    with open_movie(inspect_movie(path)) as reader:
        batch = reader.read(np.empty((1000, *reader.image_shape), np.uint8))
    assert batch is not None
    return batch


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Where the pictures' data lie: first byte and size, in the order of the file."""
    with av.open(str(path)) as container:
        return [
            (int(packet.pos or 0), packet.size)
            for packet in container.demux(video=0)
            if packet.size
        ]


def without(path: Path, places: Iterable[tuple[int, int]], copy: Path) -> Path:
    """Copy a movie with zeros in places."""
    data = bytearray(path.read_bytes())
    for start, size in places:
        data[start : start + size] = bytes(size)
    copy.write_bytes(data)
    return copy


def assert_begins(part: FrameBatch, whole: FrameBatch, count: int) -> None:
    """Check that the first frames of a movie that was cut off are those of the whole one."""
    for name in ("images", "time_s", "hardware_counter_us", "status"):
        np.testing.assert_array_equal(getattr(part, name)[:count], getattr(whole, name)[:count])
