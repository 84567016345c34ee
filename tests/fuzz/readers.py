"""What the fuzzer does to the readers: inspect a file, read all of it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.synthetic import write_isxb
from readers import inspect_movie, open_movie
from readers.isxb.layout import HEADER
from tests.fuzz.mutations import mutated
from tests.small_movies import pictures, small_movie

WIDTH, HEIGHT, NUM_FRAMES = 32, 24, 8
_MOST_FRAMES = 300
_CAPACITY = 16
_LARGEST_BUFFER_BYTES = 2**26
_NUMBERS = (0, 1, -1, 95, 96, 97, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, -(2**63))
_TEXTS = (
    b"null",
    b"-1",
    b"1e999",
    b"1e308",
    b"NaN",
    b'"x"',
    b"{}",
    b"[]",
    b"1" * 5000,
    b"[" * 5000,
)


def intact_movies(suffix: str) -> list[bytes]:
    """Make small movies of a format."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        options = (
            [{"dropped": (0, 3, 7)}, {"timing_in_session": False}] if suffix == ".isxb" else []
        )
        made = [small_movie(path, WIDTH, HEIGHT, NUM_FRAMES).read_bytes()]
        for option in options:
            write_isxb(path, pictures(NUM_FRAMES, WIDTH, HEIGHT), 10, **option)  # type: ignore[arg-type]  # options differ in type
            made.append(path.read_bytes())
        return made


def read_mp4(data: bytes) -> None:
    """Read a .mp4."""
    _read(data, ".mp4")


def read_avi(data: bytes) -> None:
    """Read an .avi."""
    _read(data, ".avi")


def read_isxb(data: bytes) -> None:
    """Read an .isxb."""
    _read(data, ".isxb")


def _read(data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(data)
        movie = inspect_movie(path)
        with open_movie(movie, most_frames=_MOST_FRAMES) as reader:
            height, width, channels = reader.image_shape
            fitting = _LARGEST_BUFFER_BYTES // (height * width * channels)
            images = np.empty((max(1, min(_CAPACITY, fitting)), height, width, channels), np.uint8)
            num_frames = reader.skip(2)
            while (batch := reader.read(images)) is not None:
                assert batch.first_frame_index == num_frames
                num_frames += len(batch)


def mutated_isxb(random: Random, data: bytes) -> bytes:
    """Damage an .isxb as a file of its own kind: header fields, JSON texts, or bytes anywhere."""
    return random.choice((_with_field, _with_field, _with_value, _with_text, mutated))(random, data)


def _with_field(random: Random, data: bytes) -> bytes:
    fields = list(HEADER.unpack(data[: HEADER.size]))
    for _ in range(random.choice((1, 1, 2, 3))):
        place = random.randrange(len(fields))
        near = fields[place] + random.choice((-2, -1, 1, 2, 10))
        other = random.choice(fields)
        fields[place] = random.choice((*_NUMBERS, len(data), near, other))
    return HEADER.pack(*fields) + data[HEADER.size :]


def _with_value(random: Random, data: bytes) -> bytes:
    """Put another value in place of a number of the JSON texts; lengths are set right."""
    header = HEADER.unpack(data[: HEADER.size])
    frames, session = data[header[8] : header[10]], data[header[10] :]
    changed = [frames, session]
    which = random.randrange(2)
    numbers = [i for i in range(len(changed[which])) if changed[which][i : i + 1].isdigit()]
    place = random.choice(numbers)
    value = random.choice(_TEXTS)
    changed[which] = changed[which][:place] + value + changed[which][place + 1 :]
    return _with_texts(data, *changed)


def _with_text(random: Random, data: bytes) -> bytes:
    """Damage one of the JSON texts; lengths are set right."""
    header = HEADER.unpack(data[: HEADER.size])
    frames, session = data[header[8] : header[10]], data[header[10] :]
    if random.random() < 0.5:
        return _with_texts(data, mutated(random, frames), session)
    if random.random() < 0.5:
        return _with_texts(data, frames, mutated(random, session))
    content = json.loads(session)
    for key in random.sample(sorted(content), k=2):
        content[key] = random.choice((None, [], {}, -1, "x", 1e300))
    return _with_texts(data, frames, json.dumps(content).encode())


def _with_texts(data: bytes, frames: bytes, session: bytes) -> bytes:
    header = list(HEADER.unpack(data[: HEADER.size]))
    video_end = header[8]
    header[9:12] = len(frames), video_end + len(frames), len(session)
    return HEADER.pack(*header) + data[HEADER.size : video_end] + frames + session
