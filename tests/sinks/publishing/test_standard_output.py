"""Publishing on the standard output, as a pipe, a terminal and a file."""

from __future__ import annotations

import os
import pty
import select
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from readers import InputError
from sinks.publishing.publisher import StandardOutputPublisher
from tests.sinks.publishing.live import BODY_PARTS, frame_numbers, live_batch

NUM_FRAMES = 2000  # several times what a pipe or a terminal holds


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):  # of an end that the test has closed
            os.close(end)


def read_all(descriptor: int) -> bytes:
    os.set_blocking(descriptor, False)
    read = b""
    with suppress(BlockingIOError):
        while piece := os.read(descriptor, 65536):
            read += piece
    return read


def test_the_reader_gets_every_frame(pipe: tuple[int, int]) -> None:
    with StandardOutputPublisher(BODY_PARTS, descriptor=pipe[1]) as publisher:
        publisher.write(live_batch(0, 2))
        publisher.write(live_batch(2, 1))

        assert frame_numbers(read_all(pipe[0])) == [0, 1, 2]
    assert publisher.num_unsent == 0


def test_a_reader_that_sleeps_misses_whole_lines_and_then_gets_the_newest(
    pipe: tuple[int, int],
) -> None:
    with StandardOutputPublisher(BODY_PARTS, descriptor=pipe[1]) as publisher:
        for frame in range(NUM_FRAMES):
            publisher.write(live_batch(frame))
        received = read_all(pipe[0])
        publisher.write(live_batch(NUM_FRAMES))
        received += read_all(pipe[0])

    numbers = frame_numbers(received)
    assert numbers == sorted(set(numbers))
    assert set(range(NUM_FRAMES - 40, NUM_FRAMES + 1)) <= set(numbers)
    assert len(numbers) + publisher.num_unsent == NUM_FRAMES + 1
    assert publisher.num_unsent > 0


def test_messages_longer_than_what_a_pipe_takes_at_once_arrive_whole(
    pipe: tuple[int, int],
) -> None:
    body_parts = [f"part {number}" for number in range(200)]
    poses = np.full((1, len(body_parts), 3), 1 / 3)
    with StandardOutputPublisher(body_parts, descriptor=pipe[1]) as publisher:
        for frame in range(100):
            publisher.write(replace(live_batch(frame), poses=poses))
        received = read_all(pipe[0])
    received += read_all(pipe[0])

    whole = received[: received.rindex(b"\n") + 1]
    assert len(whole.splitlines()[0]) > 2 * select.PIPE_BUF
    numbers = frame_numbers(whole)
    assert numbers == sorted(set(numbers))
    assert len(numbers) + publisher.num_unsent == 100


def test_a_reader_that_goes_away_does_not_end_the_run(pipe: tuple[int, int]) -> None:
    with StandardOutputPublisher(BODY_PARTS, descriptor=pipe[1]) as publisher:
        publisher.write(live_batch(0))
        os.close(pipe[0])
        publisher.write(live_batch(1, 9))

    assert publisher.num_unsent == 9


def test_a_terminal_that_hangs_does_not_hold_up_the_run() -> None:
    reader, terminal = pty.openpty()
    try:
        with StandardOutputPublisher(BODY_PARTS, descriptor=terminal) as publisher:
            for frame in range(NUM_FRAMES):
                publisher.write(live_batch(frame))

            assert publisher.num_unsent > 0
            assert os.get_blocking(terminal)
            assert frame_numbers(read_all(reader).rpartition(b"\n")[0] + b"\n")[:3] == [0, 1, 2]
    finally:
        os.close(reader)
        os.close(terminal)


def test_a_file_gets_every_frame_behind_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "poses.ndjson"
    path.write_bytes(b'{"frame":-1}\n')
    with (
        path.open("ab") as file,
        StandardOutputPublisher(BODY_PARTS, descriptor=file.fileno()) as publisher,
    ):
        publisher.write(live_batch(0, 5))

    assert frame_numbers(path.read_bytes()) == [-1, 0, 1, 2, 3, 4]


def test_a_standard_output_that_is_closed_is_refused(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])

    with pytest.raises(InputError, match="stdout: cannot be written to"):
        StandardOutputPublisher(BODY_PARTS, descriptor=pipe[1]).__enter__()
