"""A program that subscribes with ZeroMQ: `ENDPOINT NUM_MESSAGES`, prints what it receives."""

from __future__ import annotations

import sys

import zmq

LONGEST_WAIT_MS = 30_000


def main(endpoint: str, num_messages: int) -> None:
    """Print the messages, a line each."""
    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
        subscriber.setsockopt(zmq.RCVTIMEO, LONGEST_WAIT_MS)
        subscriber.setsockopt(zmq.SUBSCRIBE, b"pose")
        subscriber.connect(endpoint)
        for _ in range(num_messages):
            topic, message = subscriber.recv_multipart()
            assert topic == b"pose"
            sys.stdout.write(message.decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
