"""Publishing with ZeroMQ, received by another program."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import zmq

from readers import InputError
from sinks.publishing.zeromq import ZeroMqPublisher
from tests.sinks.publishing.live import BODY_PARTS, live_batch, poses_of, read_message
from tests.sinks.publishing.receiving import received_by

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

    assert publisher.num_unsent is None


def test_a_port_that_is_taken_is_refused_in_one_line() -> None:
    with (
        ZeroMqPublisher(BODY_PARTS, endpoint=ANY_PORT) as first,
        pytest.raises(InputError) as raised,
    ):
        ZeroMqPublisher(BODY_PARTS, endpoint=endpoint_of(first)).__enter__()

    assert str(raised.value) == f"{first.address}: cannot be bound (Address already in use)"


def test_an_endpoint_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be bound"):
        ZeroMqPublisher(BODY_PARTS, endpoint="tcp://127.0.0.1:port").__enter__()


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    path.write_text("kept")

    with pytest.raises(InputError, match="is no socket"):
        ZeroMqPublisher(BODY_PARTS, endpoint=f"ipc://{path}").__enter__()

    assert path.read_text() == "kept"
