"""The movie that comes with posestream."""

from __future__ import annotations

from pathlib import Path

from benchmarks.synthetic.isxb import write_isxb
from benchmarks.synthetic.movies import MouseMovie

SEED = 66
FRAME_RATE = 20
NUM_FRAMES = 200
DROPPED = (97, 98, 104)
START_TIME_MS = 1_732_269_600_000  # 2024-11-22 10:00 UTC
JPEG_QUALITY = 8


def demo_movie() -> MouseMovie:
    """Ten seconds of a dark mouse on a glass floor, in infrared light."""
    return MouseMovie(SEED, frame_rate=FRAME_RATE, num_frames=NUM_FRAMES, look="infrared")


def write_demo(path: Path) -> None:
    """Write the demo movie as .isxb, with three dropped frames in its middle."""
    movie = demo_movie()
    write_isxb(
        path,
        movie.images(),
        movie.frame_rate,
        dropped=DROPPED,
        start_time_ms=START_TIME_MS,
        quality=JPEG_QUALITY,
    )
