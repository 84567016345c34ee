"""The times of a stream's pictures in its recording."""

from fractions import Fraction
from typing import cast

import av
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from readers.live.streams.recording import RecordingClock


def packet(
    shown: int | None, decoded: int | None, time_base: Fraction = Fraction(1, 1000)
) -> "av.Packet[VideoStream]":
    made = cast("av.Packet[VideoStream]", av.Packet(b"x"))
    made.pts, made.dts, made.time_base = shown, decoded, time_base
    return made


def test_times_begin_with_the_first_packet_that_is_decoded() -> None:
    clock = RecordingClock(has_times=True)
    times = [(9000, 0), (27000, 4500), (18000, 9000), (13500, 13500)]

    seen = [clock.shown_ms(packet(*pair, Fraction(1, 90_000)), 0.0) for pair in times]

    assert seen == [100, 300, 200, 150]


def test_a_packet_without_a_time_is_shown_when_it_arrives() -> None:
    clock = RecordingClock(has_times=False)

    arrivals_s = (100.0, 100.04, 100.0405, 100.2)

    assert [clock.shown_ms(packet(7, 7), time_s) for time_s in arrivals_s] == [0, 40, 41, 200]


def test_pictures_that_are_shown_before_the_first_have_room_where_decoding_times_lack() -> None:
    clock = RecordingClock(has_times=True)

    seen = [clock.shown_ms(packet(time, None), 0.0) for time in (100, 20, 60)]

    assert seen == [1000, 920, 960]


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 2**33)), st.floats(0, 1e6)), max_size=50
    ),
    st.booleans(),
)
def test_no_picture_is_shown_before_the_recording_begins_whatever_comes(
    stream: list[tuple[int | None, float]], has_times: bool
) -> None:
    clock = RecordingClock(has_times=has_times)

    assert all(
        clock.shown_ms(packet(time, time), 1.0 + arrival_s) >= 0 for time, arrival_s in stream
    )


@given(st.lists(st.integers(0, 2**33), max_size=50))
def test_times_that_rise_still_rise_in_the_recording(times: list[int]) -> None:
    clock = RecordingClock(has_times=True)

    seen = [clock.shown_ms(packet(time, time), 1.0) for time in sorted(times)]

    assert seen == [time - min(times) for time in sorted(times)]
