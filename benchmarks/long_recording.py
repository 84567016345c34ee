"""Write an .isxb of any length, to see whether memory grows with it.

python -m benchmarks.long_recording DEST.isxb NUM_FRAMES
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.synthetic import MouseMovie, write_isxb
from readers.isxb.layout import HEADER, read_layout

WIDTH, HEIGHT, FRAME_RATE = 320, 256, 25
LOOP_LENGTH = 500
"""A generated walk of as many frames is repeated."""


def write_long_recording(path: Path, num_frames: int) -> None:
    """Write a grey recording of 320 × 256 pixels at 25 frames/s.

    Raises
    ------
    ValueError
        If `num_frames` is no multiple of `LOOP_LENGTH`.
    """
    if num_frames < 1 or num_frames % LOOP_LENGTH:
        raise ValueError(f"{num_frames} frames: must be a multiple of {LOOP_LENGTH}")
    walk = MouseMovie(0, WIDTH, HEIGHT, FRAME_RATE, LOOP_LENGTH, "infrared")
    write_isxb(path, walk.images(), FRAME_RATE, quality=20)
    with path.open("rb") as file:
        header = read_layout(path, file).header
        file.seek(header.video_offset)
        pictures = file.read(header.video_size)
        file.seek(header.session_metadata_offset)
        session = json.loads(file.read(header.session_metadata_size))
    session["timingInfo"]["numTimes"] = num_frames
    with path.open("wb") as file:
        file.write(bytes(HEADER.size))
        for _ in range(num_frames // LOOP_LENGTH):
            file.write(pictures)
        samples_at = file.tell()
        file.write(b'{"droppedFrames":[],"samples":[')
        for index in range(num_frames):
            sample = {"fc": index, "tsc": index * 1_000_000 // FRAME_RATE}
            file.write((b"," if index else b"") + json.dumps(sample).encode())
        file.write(b"]}")
        session_at = file.tell()
        file.write(json.dumps(session).encode())
        parts = (HEADER.size, samples_at - HEADER.size, samples_at, session_at - samples_at)
        ends = (session_at, file.tell() - session_at)
        start = (header.file_version, HEADER.size, header.start_time_ms, header.utc_offset_min)
        file.seek(0)
        file.write(HEADER.pack(*start, num_frames, 0, *parts, *ends))


if __name__ == "__main__":
    write_long_recording(Path(sys.argv[1]), int(sys.argv[2]))
