"""A subscriber that sends too much: `ENDPOINT short|long|message`, until it is killed."""

from __future__ import annotations

import sys

import zmq

NUM_SUBSCRIPTIONS = 4_000
TOPIC_LENGTHS = {"short": 480, "long": 20_000}
MESSAGE_LENGTH = 150_000_000


def main(endpoint: str, attack: str) -> None:
    """Subscribe to thousands of topics, or send one long message."""
    with zmq.Context() as context, context.socket(zmq.XSUB) as attacker:
        attacker.connect(endpoint)
        attacker.setsockopt(zmq.SNDHWM, 0)
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        if attack == "message":
            attacker.send(b"\x02" * MESSAGE_LENGTH, copy=False)
        else:
            for number in range(NUM_SUBSCRIPTIONS):
                attacker.send(b"\x01%08d" % number + bytes(TOPIC_LENGTHS[attack]))
        attacker.recv()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
