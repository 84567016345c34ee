"""Packets go from thread to thread in order, in bounded memory."""

from __future__ import annotations

from threading import Event, Thread
from typing import cast

import av
from av.video.stream import VideoStream

from readers.growing.feed import ArrivedPacket
from readers.live.live_rows import PacketQueue


def packet(size: int, number: int = 0) -> ArrivedPacket:
    made = cast("av.Packet[VideoStream]", av.Packet(bytes([number % 256]) * size))
    made.pts = number
    return ArrivedPacket(made, float(number))


def number_of(arrived: ArrivedPacket | None) -> int | None:
    return None if arrived is None else arrived.packet.pts


def test_put_waits_for_room_and_looks_around_meanwhile() -> None:
    queue = PacketQueue(100)
    queue.put(packet(80, 0))
    is_waiting = Event()
    thread = Thread(target=queue.put, args=(packet(80, 1), is_waiting.set))
    thread.start()
    assert is_waiting.wait(timeout=30)

    assert len(queue) == 1
    assert number_of(queue.get()) == 0
    thread.join(timeout=30)
    assert number_of(queue.get()) == 1


def test_a_packet_larger_than_the_bound_goes_through_alone() -> None:
    queue = PacketQueue(100)

    queue.put(packet(1000, 7))

    assert number_of(queue.get()) == 7


def test_what_was_put_before_the_end_is_given() -> None:
    queue = PacketQueue(100)
    queue.put(packet(1, 5))
    queue.end()

    assert number_of(queue.get()) == 5
    assert queue.get() is None


def test_cancel_wakes_both_sides_and_drops_everything() -> None:
    queue = PacketQueue(100)
    queue.put(packet(90))
    is_waiting = Event()
    thread = Thread(target=queue.put, args=(packet(90), is_waiting.set))
    thread.start()
    assert is_waiting.wait(timeout=30)

    queue.cancel()
    thread.join(timeout=30)

    assert not thread.is_alive()
    assert queue.get() is None
    assert len(queue) == 0
    queue.put(packet(1))
    assert len(queue) == 0
