"""A channel keeps order, holds no more than it may, and can always be called off."""

import threading
from collections.abc import Callable

import pytest

from engine.inference import Cancelled
from engine.pipeline.channel import Channel


def in_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_items_come_out_in_order_until_the_end() -> None:
    channel = Channel[int](2)

    def produce() -> None:
        for number in range(100):
            channel.put(number)
        channel.end()

    producer = in_thread(produce)

    assert list(channel) == list(range(100))
    producer.join(10)
    assert not producer.is_alive()


def test_a_put_waits_while_the_channel_is_full() -> None:
    channel = Channel[int](2)
    channel.put(1)
    channel.put(2)
    done = threading.Event()

    def put_third() -> None:
        channel.put(3)
        done.set()

    in_thread(put_third)

    assert not done.wait(0.05)
    assert channel.get() == 1
    assert done.wait(10)


@pytest.mark.parametrize("blocked", ["put", "get", "iterate"])
def test_cancel_wakes_whoever_waits(blocked: str) -> None:
    channel = Channel[int](1)
    if blocked == "put":
        channel.put(1)
    actions: dict[str, Callable[[], object]] = {
        "put": lambda: channel.put(2),
        "get": channel.get,
        "iterate": lambda: list(channel),
    }
    outcomes: list[BaseException] = []

    def wait() -> None:
        try:
            actions[blocked]()
        except Cancelled as error:
            outcomes.append(error)

    waiting = in_thread(wait)
    channel.cancel()
    waiting.join(10)

    assert len(outcomes) == 1


def test_whoever_waits_until_an_item_is_wanted_goes_on_when_one_is_waited_for() -> None:
    channel = Channel[int](2)
    channel.put(1)
    wanted = threading.Event()

    def wait() -> None:
        channel.wait_until_wanted()
        wanted.set()
        channel.put(2)

    in_thread(wait)

    assert not wanted.wait(0.05)
    assert channel.get() == 1
    assert not wanted.wait(0.05)  # taken, but nobody waits for the next one
    assert channel.is_empty
    assert channel.get() == 2
    assert wanted.is_set()


def test_cancel_wakes_whoever_waits_until_an_item_is_wanted() -> None:
    channel = Channel[int](1)
    outcomes: list[BaseException] = []

    def wait() -> None:
        try:
            channel.wait_until_wanted()
        except Cancelled as error:
            outcomes.append(error)

    waiting = in_thread(wait)
    channel.cancel()
    waiting.join(10)

    assert len(outcomes) == 1
