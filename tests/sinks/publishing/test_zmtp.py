"""ZeroMQ's protocol from a publisher's side: what subscribers say, and what they cannot do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.publishing.zeromq import TOPIC, ZmtpSubscriber, two_part_message

# As the specifications of the protocol have them: RFC 23 (3.0), 37 (3.1) and 15 (2.0).
SIGNATURE = bytes.fromhex("ff 00 00 00 00 00 00 00 01 7f")
GREETING_3 = SIGNATURE + b"\x03\x00" + b"NULL" + bytes(16) + b"\x00" + bytes(31)
GREETING_3_1 = GREETING_3[:11] + b"\x01" + GREETING_3[12:]
GREETING_2 = SIGNATURE + b"\x01\x02" + b"\x00\x00"
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
BEGINNINGS = {"2.0": GREETING_2, "3.0": GREETING_3 + READY, "3.1": GREETING_3_1 + READY}
MESSAGE = two_part_message(b"body")


@contextmanager
def connected() -> Iterator[tuple[ZmtpSubscriber, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ZmtpSubscriber(ours), theirs


def tell(subscriber: ZmtpSubscriber, theirs: socket.socket, data: bytes, piece: int = 100) -> None:
    for start in range(0, len(data), piece):
        theirs.sendall(data[start : start + piece])
        for _ in range(4):
            subscriber.receive()


def subscription(topic: bytes, *, verb: bytes = b"\x01") -> bytes:
    body = verb + topic
    if len(body) < 256:
        return b"\x00" + bytes([len(body)]) + body
    return b"\x02" + len(body).to_bytes(8, "big") + body


def drained(theirs: socket.socket) -> bytes:
    theirs.setblocking(False)
    try:
        return theirs.recv(65536)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize("version", BEGINNINGS)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_subscriber_of_each_version_is_sent_messages_of_two_parts(
    version: str, piece: int
) -> None:
    with connected() as (subscriber, theirs):
        tell(subscriber, theirs, BEGINNINGS[version], piece)
        subscriber.put(MESSAGE)
        before = drained(theirs)
        tell(subscriber, theirs, subscription(b"pose"), piece)
        subscriber.put(MESSAGE)

        assert before.startswith(b"\xff" + bytes(8) + b"\x7f\x03")
        assert b"body" not in before
        assert drained(theirs) == b"\x01\x04pose" + b"\x00\x04body"


@pytest.mark.parametrize("length", [0, 255, 256, 70_000])
def test_parts_of_any_length_are_framed(length: int) -> None:
    size = b"\x00" + bytes([length]) if length < 256 else b"\x02" + length.to_bytes(8, "big")

    assert two_part_message(b"x" * length) == b"\x01\x04pose" + size + b"x" * length


TOPICS = st.sampled_from([b"", b"p", b"po", b"pos", b"pose", b"poses", b"x"]) | st.binary(
    max_size=400
)


@given(st.lists(st.tuples(st.booleans(), TOPICS), max_size=30), st.integers(1, 500))
def test_messages_go_to_those_who_subscribe_to_a_prefix_of_their_topic(
    words: list[tuple[bool, bytes]], piece: int
) -> None:
    wanted: set[bytes] = set()
    with connected() as (subscriber, theirs):
        tell(subscriber, theirs, BEGINNINGS["3.0"])
        drained(theirs)
        for is_wanted, topic in words:
            verb = b"\x01" if is_wanted else b"\x00"
            tell(subscriber, theirs, subscription(topic, verb=verb), piece)
            (wanted.add if is_wanted else wanted.discard)(topic)
            subscriber.put(MESSAGE)
            assert bool(drained(theirs)) == any(TOPIC.startswith(prefix) for prefix in wanted)


def test_a_ping_is_answered_with_its_context() -> None:
    with connected() as (subscriber, theirs):
        tell(subscriber, theirs, BEGINNINGS["3.1"])
        drained(theirs)
        tell(subscriber, theirs, b"\x04\x0a\x04PING\x00\x64abc")

        assert drained(theirs) == b"\x04\x08\x04PONGabc"


def test_a_ping_never_parts_a_message() -> None:
    with connected() as (subscriber, theirs):
        tell(subscriber, theirs, BEGINNINGS["3.1"] + subscription(b""))
        drained(theirs)
        message = two_part_message(bytes(10**6))
        subscriber.put(message)
        tell(subscriber, theirs, b"\x04\x07\x04PING\x00\x64")
        received = b""
        while piece := drained(theirs):
            received += piece
            subscriber.put(b"")

        assert received == message


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        SIGNATURE + b"\x00",  # version 1
        GREETING_3.replace(b"NULL\0", b"PLAIN"),
        GREETING_3 + b"\x04\x0d\x05ERROR\x06reason",
        GREETING_3 + subscription(b""),  # before it is ready
        GREETING_3 + READY + subscription(b"x" * 600),
        GREETING_3 + READY + b"\x02" + (1_500_000_000).to_bytes(8, "big"),
        GREETING_3 + READY + b"\x02" + b"\xff" * 8,
        GREETING_3 + b"\x06" + (2**40).to_bytes(8, "big"),
    ],
    ids=str,
)
def test_who_breaks_the_protocol_or_says_too_much_is_hung_up_on(said: bytes) -> None:
    with connected() as (subscriber, theirs):
        tell(subscriber, theirs, said)

        assert subscriber.is_gone


@given(st.sampled_from(["", *BEGINNINGS]), st.binary(max_size=3000))
def test_whatever_is_said_is_survived(version: str, said: bytes) -> None:
    with connected() as (subscriber, theirs):
        tell(subscriber, theirs, BEGINNINGS.get(version, b"") + said)
        subscriber.put(MESSAGE)
        subscriber.close()


def test_one_that_talks_without_end_is_listened_to_a_little_at_a_time() -> None:
    connection, theirs = socket.socketpair()
    with connection, theirs:
        subscriber = ZmtpSubscriber(connection)
        tell(subscriber, theirs, BEGINNINGS["3.0"])
        said = subscription(b"x") * 1000
        theirs.sendall(said)
        subscriber.receive()
        left = connection.recv(10**6)

        assert len(said) - len(left) == 8 * len(subscription(b"x"))
