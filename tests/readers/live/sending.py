"""Streams for tests: programs that send, and what comes of following them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from readers.frames import FrameBatch
from readers.live import LiveMovie, open_live
from tests.readers.live.recordings import together

GUARD_S = 20.0
"""Nothing takes so long unless something is wrong."""


def stream_of(
    source: str, recording: Path, end_after_s: float = GUARD_S, *, newest_only: bool = False
) -> LiveMovie:
    """Follow a stream."""
    live = open_live(
        source,
        crop=None,
        end_after_s=end_after_s,
        newest_only=newest_only,
        recording=lambda _: recording,
    )
    live.check()
    return next(live.movies())


def follow(movie: LiveMovie, stop_after: int | None = None) -> FrameBatch:
    """Read a movie that was entered to its end, or up to where it is stopped."""
    thread = threading.Thread(target=movie.receive)
    thread.start()
    seen = follow_on(movie, stop_after)
    thread.join(GUARD_S)
    assert not thread.is_alive()
    return seen


def follow_on(movie: LiveMovie, stop_after: int | None = None) -> FrameBatch:
    """Read a movie that is being received; see `follow`."""
    batches: list[FrameBatch] = []
    while (batch := movie.read(np.empty((4, *movie.image_shape), np.uint8))) is not None:
        batches.append(batch)
        if stop_after is not None and sum(map(len, batches)) >= stop_after:
            movie.stop()
    return together(batches)


def assert_same_frames(seen: FrameBatch, recorded: FrameBatch) -> None:
    """Check that what was seen is what the recording holds."""
    for name in ("status", "time_s", "images"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(recorded, name), err_msg=name)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Find a free port of the loopback interface."""
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def program(code: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program beside this one; end it at the end."""
    with subprocess.Popen(  # noqa: S603 (our own code)
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def written_pipe(path: Path) -> Iterator[int]:
    """Make a named pipe, and open its end to write to; there must be a reader already or soon."""
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR)  # so that it opens without a reader
    try:
        yield end
    finally:
        os.close(end)
