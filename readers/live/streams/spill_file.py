"""Packets that wait on disk."""

from __future__ import annotations

import struct
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.packet import PacketSideData
from av.video.stream import VideoStream

from readers.growing.feed import ArrivedPacket

_HEAD = struct.Struct("<qqqqqd??")
"""Size, both times, the time base, the time of arrival, and two flags."""
_NO_TIME = -(2**63)
"""FFmpeg's own word for it."""


class SpillFile:
    """A queue of packets in a temporary file without a name, which is emptied whenever it can be.

    A packet keeps what a decoder looks at: data, times and flags, and what a stream that changes
    midway says of it (that alone waits in memory).

    Parameters
    ----------
    directory
        Where the file is made; None for the system's place for temporary files.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (`close` closes it)
        self._read_from = 0
        self._write_to = 0
        self._num_put = self._num_taken = 0
        self._changes: dict[int, PacketSideData] = {}

    def __len__(self) -> int:
        return self._num_put - self._num_taken

    @property
    def num_bytes_on_disk(self) -> int:
        """Size of the file."""
        return self._write_to

    def put(self, arrived: ArrivedPacket) -> None:
        """Add a packet behind all others.

        Raises
        ------
        OSError
            If there is no room for it.
        """
        packet = arrived.packet
        if packet.has_sidedata("new_extradata"):
            self._changes[self._num_put] = packet.get_sidedata("new_extradata")
        self._file.seek(self._write_to)
        self._file.write(_head(arrived))
        self._file.write(packet)
        self._write_to = self._file.tell()
        self._num_put += 1

    def get(self) -> ArrivedPacket:
        """Take the oldest packet."""
        self._file.seek(self._read_from)
        head = self._file.read(_HEAD.size)
        arrived = _arrived(head, self._file.read(_HEAD.unpack(head)[0]))
        self._read_from = self._file.tell()
        change = self._changes.pop(self._num_taken, None)
        if change is not None:
            arrived.packet.set_sidedata(change)
        self._num_taken += 1
        if not len(self):
            self._file.truncate(0)
            self._read_from = self._write_to = 0
        return arrived

    def close(self) -> None:
        """Let go of the file and all in it."""
        self._file.close()


def _head(arrived: ArrivedPacket) -> bytes:
    packet = arrived.packet
    time_base = packet.time_base or Fraction(0)
    return _HEAD.pack(
        packet.size,
        _NO_TIME if packet.pts is None else packet.pts,
        _NO_TIME if packet.dts is None else packet.dts,
        time_base.numerator,
        time_base.denominator,
        arrived.arrival_time_s,
        packet.is_keyframe,
        packet.is_corrupt,
    )


def _arrived(head: bytes, data: bytes) -> ArrivedPacket:
    _, pts, dts, numerator, denominator, arrival_time_s, is_keyframe, is_corrupt = _HEAD.unpack(
        head
    )
    packet = cast("av.Packet[VideoStream]", av.Packet(data))
    packet.pts = None if pts == _NO_TIME else pts
    packet.dts = None if dts == _NO_TIME else dts
    packet.time_base = Fraction(numerator, denominator)
    packet.is_keyframe, packet.is_corrupt = is_keyframe, is_corrupt
    return ArrivedPacket(packet, arrival_time_s)
