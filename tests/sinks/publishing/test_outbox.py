"""Messages for one subscriber: whole or not at all, in order, each accounted for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sinks.publishing.publisher import Outbox

LONGEST_QUEUE = 64


class Subscriber:
    """Takes as many bytes as it has room for, until it is gone."""

    def __init__(self) -> None:
        self.received = b""
        self.room = 0
        self.is_gone = False

    def take(self, data: memoryview) -> int:
        if self.is_gone:
            raise BrokenPipeError
        if not self.room:
            raise BlockingIOError
        taken = bytes(data[: self.room])
        self.received += taken
        self.room -= len(taken)
        return len(taken)


def message(number: int) -> bytes:
    return b"%d:%s\n" % (number, b"x" * (number % 13))


def whole_messages(received: bytes) -> list[int]:
    """Tell the numbers of the messages, of which all but the last must be whole."""
    whole, _, begun = received.rpartition(b"\n")
    numbers = [int(line.partition(b":")[0]) for line in whole.split(b"\n") if line]
    assert whole + b"\n" * bool(whole) == b"".join(map(message, numbers))
    later = [] if not begun else range(numbers[-1] + 1 if numbers else 0, 1000)
    assert not begun or any(message(number).startswith(begun) for number in later)
    return numbers


@given(rooms=st.lists(st.integers(0, 60), max_size=300), gone_after=st.none() | st.integers(0, 300))
def test_what_arrives_is_whole_and_in_order_and_the_rest_is_counted(
    rooms: list[int], gone_after: int | None
) -> None:
    subscriber = Subscriber()
    outbox = Outbox(subscriber.take)
    for number, room in enumerate(rooms):
        subscriber.room = room
        subscriber.is_gone = number == gone_after or subscriber.is_gone
        outbox.put(message(number))
    outbox.close()

    arrived = whole_messages(subscriber.received)
    assert arrived == sorted(set(arrived))
    assert len(arrived) + outbox.num_unsent == len(rooms)
    assert outbox.is_gone == (gone_after is not None and gone_after < len(rooms))


@given(num_messages=st.integers(LONGEST_QUEUE, 200), room=st.integers(0, 3))
def test_the_newest_messages_wait_and_the_oldest_give_way(num_messages: int, room: int) -> None:
    subscriber = Subscriber()
    subscriber.room = room
    outbox = Outbox(subscriber.take)
    for number in range(num_messages):
        outbox.put(message(number))
    subscriber.room = 10**6
    outbox.close()

    newest = list(range(num_messages - LONGEST_QUEUE, num_messages))
    begun = room % len(message(0)) > 0
    first_arrived = [0] if room else []
    expected = sorted({*first_arrived, *(newest[1:] if begun else newest)})
    assert whole_messages(subscriber.received) == expected
