"""Second fields are found by the heads of their slices and pictures, whatever is around them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers.container.second_fields import SecondFields

START = b"\x00\x00\x01"
TOP, BOTTOM, FRAME = 1, 2, 3


def mpeg2(lines: int, number: int, *others: tuple[int, int]) -> bytes:
    """Make what a packet holds of each picture: its head, and how it is coded."""
    data = b""
    for structure, reference in ((lines, number), *others):
        data += START + bytes([0, reference >> 2, (reference & 3) << 6, 0])
        data += START + bytes([0xB5, 0x8F, 0xFF, 0xF0 | structure, 0])
    return data


def bits(text: str) -> bytes:
    padded = text + "1"
    padded += "0" * (-len(padded) % 8)
    return bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))


def golomb(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


# Baseline, 4 bits for a picture's number, order 2, one reference, 2 x 2 macroblocks, fields.
SEQUENCE = bytes([0x67, 66, 0, 10]) + bits(
    golomb(0) + golomb(0) + golomb(2) + golomb(1) + "0" + golomb(1) + golomb(0) + "0"
)
PARAMETERS = bytes([0x68]) + bits(golomb(0) + golomb(0))


def h264(lines: int, number: int) -> bytes:
    field = "0" if lines == FRAME else f"1{lines - 1}"
    slice_head = golomb(0) + golomb(7) + golomb(0) + f"{number:04b}" + field
    return b"".join(START + unit for unit in (SEQUENCE, PARAMETERS, b"\x41" + bits(slice_head)))


PACKETS = {"mpeg2video": mpeg2, "h264": h264}


@pytest.mark.parametrize("codec", PACKETS)
@given(first=st.sampled_from([TOP, BOTTOM]), pairs=st.lists(st.booleans(), min_size=1, max_size=9))
def test_of_each_pair_the_second_is_found_and_no_frame_is_one(
    codec: str, first: int, pairs: list[bool]
) -> None:
    fields, seen, expected = SecondFields(codec, None), [], []
    for number, is_pair in enumerate(pairs):
        for lines in (first, BOTTOM + TOP - first) if is_pair else (FRAME,):
            seen.append(fields.is_one(PACKETS[codec](lines, number % 16)))
            expected.append(is_pair and lines != first)

    assert seen == expected


def test_a_field_of_several_slices_is_one_field() -> None:
    fields = SecondFields("h264", None)
    stream = [(lines, number) for number in range(5) for lines in (TOP, BOTTOM)]

    seen = []
    for lines, number in stream:
        seen.append(fields.is_one(3 * h264(lines, number)))
        assert not fields.lacks_first

    assert seen == [lines == BOTTOM for lines, _ in stream]


@pytest.mark.parametrize("codec", PACKETS)
def test_a_field_whose_partner_is_missing_pairs_with_no_other(codec: str) -> None:
    fields, packet = SecondFields(codec, None), PACKETS[codec]
    stream = [(TOP, 0), (BOTTOM, 0), (BOTTOM, 1), (TOP, 2), (BOTTOM, 2), (TOP, 3), (TOP, 4)]

    seen = [fields.is_one(packet(lines, number)) for lines, number in stream]

    assert seen == [False, True, False, False, True, False, False]


@pytest.mark.parametrize("codec", PACKETS)
def test_what_cannot_be_read_stands_for_the_field_that_is_due(codec: str) -> None:
    fields, packet, damaged = SecondFields(codec, None), PACKETS[codec], bytes(50)
    pair = [packet(TOP, 0), packet(BOTTOM, 0)]
    stream = [*pair, packet(TOP, 1), damaged, damaged, packet(BOTTOM, 2), packet(TOP, 3)]

    assert list(map(fields.is_one, stream)) == [False, True, False, True, False, True, False]


def test_both_fields_in_one_packet_are_one_picture() -> None:
    fields = SecondFields("mpeg2video", None)

    for number in range(4):
        assert not fields.is_one(mpeg2(TOP, number, (BOTTOM, number)))


@given(st.sampled_from(["h264", "mpeg2video", "vp8"]), st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_can_be_looked_at(codec: str, packets: list[bytes]) -> None:
    for extradata in (None, b"\x01" + b"".join(packets)):
        fields = SecondFields(codec, extradata)
        for packet in packets:
            assert fields.is_one(START + packet) in (False, True)
