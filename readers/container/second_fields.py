"""Packets that hold the second field of a picture whose first field came in a packet before.

Interlaced cameras may store a picture as two fields, its even and its odd lines, each coded by
itself. Some containers then have two packets a picture (ISO/IEC 14496-10, 7.3.2.1, 7.3.2.2 and
7.3.3; ISO/IEC 13818-2, 6.2.3 and 6.2.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

import av
from av.video.stream import VideoStream

_START_CODE = re.compile(b"\x00\x00\x01")
_HEAD_BYTES = 256
"""Of a unit: more than what is looked at of it."""
_BOTH_FIELDS = 3
_SLICES, _SEQUENCE, _PICTURES = (1, 5), 7, 8
_WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128)
"""Profiles of H.264 whose sequences tell how colours are stored."""
_PICTURE, _EXTENSION, _PICTURE_CODING = 0x00, 0xB5, 8

Coded = tuple[int, int]
"""Lines that a part of a packet holds, 1 or 2 for those of a field, and its picture's number."""


class SecondFields:
    """A search for second fields among the packets of a stream, in the order of decoding.

    `codec` is FFmpeg's name of it: only ``h264`` and ``mpeg2video`` come in fields. `extradata` is
    what the container tells the decoder.
    """

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        self._coded = {"h264": _H264(extradata or b"").coded, "mpeg2video": _mpeg2}.get(codec)
        self._first: Coded | None = None
        self._usual_second: int | None = None
        self._was_readable = True
        self.lacks_first = False
        """Whether the packet that was looked at last is a field whose first one was lost, or could
        not be read. A decoder would pair it with the next one."""

    def is_one(self, packet: bytes | av.Packet[VideoStream]) -> bool:
        """Tell whether a packet holds the second field of a picture, and no other picture."""
        if self._coded is None:
            return False
        are_second: list[bool] = []
        self.lacks_first = False
        for (lines, picture), _ in groupby(self._coded(bytes(packet))):  # its parts are slices
            is_second = self._first == (_BOTH_FIELDS - lines, picture)
            if is_second and self._usual_second is None:
                self._usual_second = lines
            self.lacks_first = lines == self._usual_second and not is_second
            is_alone = is_second or self.lacks_first or lines == _BOTH_FIELDS
            self._first = None if is_alone else (lines, picture)
            are_second.append(is_second or (self.lacks_first and not self._was_readable))
        self._was_readable = bool(are_second)
        if not are_second and self._first is not None:  # damaged; a second field must follow
            are_second, self._first, self._was_readable = [True], None, True
        return bool(are_second) and all(are_second)


class _H264:
    """Reads the heads of H.264's units."""

    def __init__(self, extradata: bytes) -> None:
        self._num_length_bytes = 0
        self._sequences: dict[int, tuple[bool, bool, int]] = {}
        """Whether pictures come in fields, planes are apart, and how many bits number a picture."""
        self._sequence_of: dict[int, int] = {}
        if not extradata.startswith(b"\x01") or len(extradata) <= 6:
            for unit in _units(extradata, 0):
                self.note(unit)
            return
        # As a container stores sequences, and then picture parameters (ISO/IEC 14496-15, 5.3.3.1).
        self._num_length_bytes = 1 + (extradata[4] & 3)
        place = 5
        for mask in (31, 255):
            count = int.from_bytes(extradata[place : place + 1]) & mask
            place += 1
            for _ in range(count):
                size = int.from_bytes(extradata[place : place + 2], "big")
                self.note(extradata[place + 2 : place + 2 + size])
                place += 2 + size

    def coded(self, packet: bytes) -> Iterator[Coded]:
        """Yield what each slice holds; of a progressive sequence only the first one."""
        for unit in _units(packet, self._num_length_bytes):
            if unit[0] & 31 not in _SLICES:
                self.note(unit)
                continue
            bits = _Bits(unit[1:])
            bits.golomb(2)  # first macroblock, type
            sequence = self._sequences.get(self._sequence_of.get(bits.golomb(), -1))
            if sequence is None:
                return
            has_fields, has_planes, num_bits = sequence
            bits.take(2 * has_planes)
            number = bits.take(num_bits)
            if not has_fields:
                return
            yield 1 + bits.take(1) if bits.take(1) else _BOTH_FIELDS, number

    def note(self, unit: bytes) -> None:
        """Note what a unit tells of sequences and pictures, if it does."""
        kind, bits = int.from_bytes(unit[:1]) & 31, _Bits(unit[1:])
        if kind == _PICTURES:
            number = bits.golomb()
            self._sequence_of[number] = bits.golomb()
        elif kind == _SEQUENCE:
            profile = bits.take(8)
            bits.take(16)
            number = bits.golomb()
            has_planes = profile in _WITH_CHROMA and bits.skip_chroma()
            num_bits = 4 + bits.golomb()
            order = bits.golomb()
            if order == 0:
                bits.golomb()
            elif order == 1:
                bits.take(1)
                bits.golomb(2)
                bits.golomb(min(255, bits.golomb()))
            bits.golomb()  # reference frames
            bits.take(1)
            bits.golomb(2)  # size
            self._sequences[number] = not bits.take(1), has_planes, num_bits


def _mpeg2(packet: bytes) -> Iterator[Coded]:
    """Yield what each picture of a packet holds, numbered by its temporal reference."""
    number = 0
    for unit in _units(packet, 0):
        if len(unit) < 4:
            return
        if unit[0] == _PICTURE:
            number = unit[1] << 2 | unit[2] >> 6
        elif unit[0] == _EXTENSION and unit[1] >> 4 == _PICTURE_CODING:
            yield unit[3] & 3, number


def _units(packet: bytes, num_length_bytes: int) -> Iterator[bytes]:
    """Yield the beginning of each unit, behind start codes or, where told, behind its length."""
    if not num_length_bytes:
        for code in _START_CODE.finditer(packet, 0, max(0, len(packet) - 1)):
            yield packet[code.end() : code.end() + _HEAD_BYTES]
        return
    place = 0
    while place + num_length_bytes < len(packet):
        start = place + num_length_bytes
        size = int.from_bytes(packet[place:start], "big")
        if size:
            yield packet[start : start + min(size, _HEAD_BYTES)]
        place = start + size


class _Bits:
    """Bits of a unit, zeros behind its end."""

    def __init__(self, unit: bytes) -> None:
        # A third byte keeps two zeros from looking like a start code: it is no part of the bits.
        data = unit[:_HEAD_BYTES].replace(b"\x00\x00\x03", b"\x00\x00")
        self._value, self._num_left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """Read a number of so many bits."""
        if count > self._num_left:
            self._num_left = 0
            return 0
        self._num_left -= count
        return self._value >> self._num_left & (1 << count) - 1

    def golomb(self, count: int = 1) -> int:
        """Read numbers without a sign, by the code of exponential Golomb (9.1); give the last."""
        number = 0
        for _ in range(count):
            num_zeros = 0
            while self._num_left and num_zeros < 32 and not self.take(1):
                num_zeros += 1
            number = (1 << num_zeros) - 1 + self.take(num_zeros)
        return number

    def skip_chroma(self) -> bool:
        """Pass over how colours are stored; tell whether each plane is coded by itself."""
        chroma = self.golomb()
        has_planes = chroma == 3 and bool(self.take(1))
        self.golomb(2)
        self.take(1)
        num_lists = 12 if chroma == 3 else 8
        for index in range(num_lists if self.take(1) else 0):  # of scaling
            last = scale = 8
            for _ in range((16 if index < 6 else 64) if self.take(1) else 0):
                if scale:
                    code = self.golomb()
                    scale = (last + (code + 1) // 2 * (1 if code % 2 else -1)) % 256
                last = scale or last
        return has_planes
