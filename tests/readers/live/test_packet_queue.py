"""Packets go from thread to thread in order, in bounded memory, and come back from disk whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from threading import Event, Thread
from typing import cast

import av
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from readers.growing.feed import ArrivedPacket
from readers.live.packet_queue import PacketQueue
from readers.live.streams.spill_file import SpillFile
from tests.small_movies import small_movie


def packet(size: int, number: int = 0) -> ArrivedPacket:
    made = cast("av.Packet[VideoStream]", av.Packet(bytes([number % 256]) * size))
    made.pts = number
    return ArrivedPacket(made, float(number))


def number_of(arrived: ArrivedPacket | None) -> int | None:
    return None if arrived is None else arrived.packet.pts


@given(
    sizes=st.lists(st.integers(1, 50), max_size=40), takes=st.lists(st.integers(0, 5), min_size=1)
)
def test_what_has_no_room_in_memory_waits_on_disk_in_order(
    sizes: list[int], takes: list[int]
) -> None:
    queue = PacketQueue(100, SpillFile())
    taken = []
    for number, size in enumerate(sizes):
        queue.put(packet(size, number))
        assert queue.num_bytes_in_memory <= 100
        num_taken = min(takes[number % len(takes)], len(queue))
        taken += [number_of(queue.get()) for _ in range(num_taken)]
    assert len(queue) == len(sizes) - len(taken)
    queue.end()
    while (arrived := queue.get()) is not None:
        number = arrived.packet.pts or 0
        assert bytes(arrived.packet) == bytes(packet(sizes[number], number).packet)
        taken.append(number)
    queue.close()

    assert taken == list(range(len(sizes)))


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


def test_a_spill_is_emptied_when_all_was_taken(tmp_path: Path) -> None:
    spill = SpillFile(tmp_path)
    for number in range(3):
        spill.put(packet(1000, number))
    for number in range(3):
        assert number_of(spill.get()) == number

    assert len(spill) == 0
    assert spill.num_bytes_on_disk == 0
    assert not list(tmp_path.iterdir())  # it has no name
    spill.close()


def test_packets_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    spill = SpillFile()
    with av.open(str(small_movie(tmp_path / "movie.mp4"))) as container:
        packets = [made for made in container.demux(video=0) if made.size]
    packets[1].is_corrupt = True
    for number, made in enumerate(packets):
        spill.put(ArrivedPacket(made, number + 0.5))

    for number, made in enumerate(packets):
        arrived = spill.get()
        again = arrived.packet
        assert arrived.arrival_time_s == number + 0.5
        assert bytes(again) == bytes(made)
        for name in ("pts", "dts", "time_base", "is_keyframe", "is_corrupt"):
            assert getattr(again, name) == getattr(made, name)
    spill.close()


def test_a_packet_without_times_stays_without() -> None:
    spill = SpillFile()
    made = cast("av.Packet[VideoStream]", av.Packet(b"data"))
    assert made.pts is None
    spill.put(ArrivedPacket(made, 0.0))

    again = spill.get().packet

    assert again.pts is None
    assert again.dts is None
    assert again.time_base in (None, Fraction(0, 1))
    spill.close()
