"""Publishing with ZeroMQ, received by another program."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import zmq

from readers import InputError
from sinks.publishing.zeromq import ZeroMqPublisher, ZmtpSubscriber
from tests.sinks.publishing.live import BODY_PARTS, live_batch, poses_of, read_message
from tests.sinks.publishing.receiving import ROOT, received_by

ANY_PORT = "tcp://127.0.0.1:*"


def endpoint_of(publisher: ZeroMqPublisher) -> str:
    return publisher.address.removeprefix("zmq:")


def subscribed(context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> zmq.Socket[bytes]:
    subscriber = context.socket(zmq.SUB)
    subscriber.setsockopt(zmq.RCVTIMEO, 30_000)
    subscriber.setsockopt(zmq.SUBSCRIBE, b"")
    subscriber.connect(endpoint)
    return subscriber


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_another_program_receives_every_frame_from_when_it_has_subscribed(
    tmp_path: Path, transport: str
) -> None:
    endpoint = ANY_PORT if transport == "tcp" else f"ipc://{tmp_path}/poses"
    with ZeroMqPublisher(BODY_PARTS, endpoint=endpoint) as publisher:
        publisher.begin_movie(2)
        output = received_by("zeromq_subscriber", [endpoint_of(publisher), "20"], publisher)

    messages = [read_message(line) for line in output.splitlines()]
    frames = np.array([message["frame"] for message in messages])
    np.testing.assert_array_equal(frames, frames[0] + np.arange(20))
    poses = [list(message["body_parts"].values()) for message in messages]
    np.testing.assert_array_equal(poses, poses_of(frames))
    assert {message["movie"] for message in messages} == {2}


def test_the_last_frame_arrives_though_the_run_ends_with_it() -> None:
    with zmq.Context() as context, ExitStack() as sockets:
        with ZeroMqPublisher(BODY_PARTS, endpoint=ANY_PORT) as publisher:
            subscriber = sockets.enter_context(subscribed(context, endpoint_of(publisher)))
            while not subscriber.poll(1):
                publisher.write(live_batch(0))
            publisher.write(live_batch(1, 60))

        frame = 0
        while frame < 60:
            _, message = subscriber.recv_multipart()
            frame = read_message(message)["frame"]


def test_a_subscriber_that_sleeps_does_not_hold_up_the_run() -> None:
    with (
        zmq.Context() as context,
        ZeroMqPublisher(BODY_PARTS, endpoint=ANY_PORT) as publisher,
        subscribed(context, endpoint_of(publisher)) as subscriber,
    ):
        while not subscriber.poll(1):
            publisher.write(live_batch(0))
        for first in range(0, 20_000, 50):
            publisher.write(live_batch(first, 50))

    assert publisher.num_unsent > 0


class Listening(ZmtpSubscriber):
    """Notes which threads take what subscribers say, and how many times."""

    threads: ClassVar[list[str]] = []

    def receive(self) -> None:
        self.threads.append(threading.current_thread().name)
        super().receive()


def test_subscriptions_are_never_taken_by_the_thread_that_publishes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ZeroMqPublisher, "make_subscriber", Listening)
    with (
        zmq.Context() as context,
        ZeroMqPublisher(BODY_PARTS, endpoint=ANY_PORT) as publisher,
        subscribed(context, endpoint_of(publisher)) as subscriber,
    ):
        while not subscriber.poll(1):
            publisher.write(live_batch(0))

    assert set(Listening.threads) == {"zeromq"}


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
@pytest.mark.parametrize("attack", ["short", "long", "message"])
def test_what_a_subscriber_sends_neither_fills_the_memory_nor_keeps_others_away(
    attack: str,
) -> None:
    with (
        zmq.Context() as context,
        ZeroMqPublisher(BODY_PARTS, endpoint=ANY_PORT) as publisher,
        attacked(endpoint_of(publisher), attack),
        subscribed(context, endpoint_of(publisher)) as subscriber,
    ):
        before = resident_bytes()
        for frame in range(1_000):
            publisher.write(live_batch(frame))
            if subscriber.poll(1):
                subscriber.recv_multipart()
            assert resident_bytes() - before < 64 * 2**20
        while not subscriber.poll(1):
            publisher.write(live_batch(1_000))


@contextmanager
def attacked(endpoint: str, attack: str) -> Iterator[None]:
    """Have another program attack the endpoint; it has begun when the block does."""
    command = [sys.executable, "-m", "tests.sinks.publishing.zeromq_attacker", endpoint, attack]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as attacker:  # noqa: S603 -- our own program
        try:
            assert attacker.stdout is not None
            assert attacker.stdout.readline() == b"begun\n"
            yield
        finally:
            attacker.kill()


def test_connections_that_subscribe_to_nothing_give_way() -> None:
    with zmq.Context() as context, ExitStack() as silent:
        publisher = silent.enter_context(ZeroMqPublisher(BODY_PARTS, endpoint=ANY_PORT))
        endpoint = endpoint_of(publisher)
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        for _ in range(100):
            silent.enter_context(socket.create_connection((host, int(port))))
        subscriber = silent.enter_context(subscribed(context, endpoint))
        while not subscriber.poll(1):
            publisher.write(live_batch(0))


def test_a_port_that_is_taken_is_refused_in_one_line() -> None:
    with (
        ZeroMqPublisher(BODY_PARTS, endpoint=ANY_PORT) as first,
        pytest.raises(InputError) as raised,
    ):
        ZeroMqPublisher(BODY_PARTS, endpoint=endpoint_of(first)).__enter__()

    assert str(raised.value) == f"{first.address}: cannot be listened on (Address already in use)"


@pytest.mark.parametrize("endpoint", ["tcp://*:*", "tcp://127.0.0.1:0", "tcp://[::1]:*"])
def test_the_system_chooses_a_port(endpoint: str) -> None:
    with ZeroMqPublisher(BODY_PARTS, endpoint=endpoint) as publisher:
        host, _, port = endpoint_of(publisher).rpartition(":")

    assert host == endpoint.rpartition(":")[0]
    assert int(port) > 0


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    path.write_text("kept")

    with pytest.raises(InputError, match="is no socket"):
        ZeroMqPublisher(BODY_PARTS, endpoint=f"ipc://{path}").__enter__()

    assert path.read_text() == "kept"
