"""The file that a stream is recorded to is Matroska as FFmpeg knows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream

from readers import MovieError
from readers.live.streams.recording import Recording
from tests.readers.damaged import encode


@contextmanager
def packets(path: Path) -> Iterator[tuple[VideoStream, list["av.Packet[VideoStream]"]]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        yield stream, [packet for packet in container.demux(stream) if packet.size]


def unit_lengths_add_up(picture: bytes) -> bool:
    """Tell whether each unit of H.264 has its length before it, in four bytes."""
    place = 0
    while place < len(picture):
        place += 4 + int.from_bytes(picture[place : place + 4], "big")
    return place == len(picture)


@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_a_file_has_the_packets_the_rate_and_the_length_of_what_was_recorded(
    tmp_path: Path, name: str
) -> None:
    path = encode(tmp_path / name, codec_options={"bf": "0", "g": "6"})
    reference = encode(tmp_path / "reference.mkv", codec_options={"bf": "0", "g": "6"})

    with packets(path) as (stream, sent):
        recording = Recording(tmp_path / "r.mkv", stream, Fraction(30_000, 1001))
        for index, packet in enumerate(sent):
            recording.add(packet, 50 * index)
        recording.close()

    with packets(tmp_path / "r.mkv") as (stored, found), packets(reference) as (_, expected):
        assert [packet.pts for packet in found] == [50 * index for index in range(len(sent))]
        assert [packet.is_keyframe for packet in found] == [p.is_keyframe for p in expected]
        assert stored.average_rate == Fraction(30_000, 1001)
        assert stored.codec_context.extradata is not None
        assert stored.codec_context.extradata[0] == 1  # as it is stored, not as it is broadcast
        assert all(unit_lengths_add_up(bytes(packet)) for packet in found)
        if name == "a.mkv":
            assert [bytes(packet) for packet in found] == [bytes(packet) for packet in expected]
        duration = cast(InputContainer, stored.container).duration
        assert duration == pytest.approx(1_000_000 * (23 * 0.05 + 0.0334), abs=1000)


def test_pictures_that_matroska_cannot_hold_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    with (
        packets(encode(tmp_path / "a.avi", "rawvideo", "rgb24")) as (stream, _),
        pytest.raises(MovieError, match=r"cannot hold video of this kind \(rawvideo bgr24\)"),
    ):
        Recording(tmp_path / "r.mkv", stream, Fraction(20))
    assert not (tmp_path / "r.mkv").exists()
