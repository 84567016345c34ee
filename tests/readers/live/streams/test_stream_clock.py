"""When the pictures of a stream are shown in its recording."""

from fractions import Fraction
from typing import cast

import av
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from readers.live.streams.stream_clock import StreamClock


def packet(
    shown: int | None, decoded: int | None, time_base: Fraction = Fraction(1, 1000)
) -> "av.Packet[VideoStream]":
    made = cast("av.Packet[VideoStream]", av.Packet(b"x"))
    made.pts, made.dts, made.time_base = shown, decoded, time_base
    return made


def test_times_begin_with_the_first_packet_that_is_decoded() -> None:
    clock = StreamClock(has_times=True)
    times = [(9000, 0), (27000, 4500), (18000, 9000), (13500, 13500)]

    seen = [clock.times_ms(packet(*pair, Fraction(1, 90_000)), 0.0) for pair in times]

    assert seen == [(100, 0), (300, 50), (200, 100), (150, 150)]


def test_a_packet_without_a_time_is_shown_when_it_arrives() -> None:
    clock = StreamClock(has_times=False)

    arrivals_s = (100.0, 100.04, 100.0405, 100.2)

    assert [clock.times_ms(packet(7, 7), time_s)[0] for time_s in arrivals_s] == [0, 40, 41, 200]


def test_pictures_that_are_shown_before_the_first_have_room_where_decoding_times_lack() -> None:
    clock = StreamClock(has_times=True)

    seen = [clock.times_ms(packet(time, None), 0.0) for time in (100, 20, 60)]

    assert seen == [(1000, None), (920, None), (960, None)]


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 2**33)), st.floats(0, 1e6)), max_size=50
    ),
    st.booleans(),
)
def test_decoding_times_never_fall_whatever_comes(
    stream: list[tuple[int | None, float]], has_times: bool
) -> None:
    clock = StreamClock(has_times=has_times)

    seen = [clock.times_ms(packet(time, time), 1.0 + arrival_s) for time, arrival_s in stream]

    decoded = [pair[1] for pair in seen if pair[1] is not None]
    assert decoded == sorted(decoded)
    assert all(shown >= 0 for shown, _ in seen)
