"""The Matroska file that a stream is recorded to, and when its pictures are shown there."""

from __future__ import annotations

import io
import math
import os
import struct
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.video.stream import VideoStream

from readers.container import ebml
from readers.container.packet_decoder import PacketDecoder, Row
from readers.errors import MovieError
from readers.ffmpeg import packet_of
from readers.growing.growing_file import ArrivedPacket

_INFO, _TRACKS, _TRACK = b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\xae"
_CLUSTER, _TIMESTAMP, _SIMPLE_BLOCK = b"\x1f\x43\xb6\x75", b"\xe7", b"\xa3"
_TIMESTAMP_SCALE, _DURATION = b"\x2a\xd7\xb1", b"\x44\x89"
_MUXING_APP, _WRITING_APP = b"\x4d\x80", b"\x57\x41"
_DEFAULT_DURATION = b"\x23\xe3\x83"
_BLOCK_HEAD = b"\x81\x00\x00"
"""Of a block: track 1, and no difference to the time of its cluster."""
_KEY_FRAME = 0x80
_START_CODE = b"\x00\x00\x01"
_NAME = b"posestream"
_MARGIN_MS = 1000
"""Room for pictures that are shown before the first one that comes."""
_MOST_WAITING = 32
"""Packets of an .avi; one whose picture has not come by then never will."""


class Recording:
    """A Matroska file (RFC 9559) that grows by one picture at a time.

    Every picture is a cluster of its own, written at once: whatever happens, all but the last one
    can be read. Nothing is transcoded; H.264 and HEVC change from the form that is broadcast to
    the one that is stored.

    Its `size` is that of whole pictures, in bytes; the rate is in frames per second, nominal.
    Raises `FileExistsError` if the file exists, `MovieError` if Matroska cannot hold such pictures.
    """

    def __init__(self, path: Path, stream: VideoStream, rate: Fraction) -> None:
        context = stream.codec_context
        # Pictures are then marked by start codes (ISO/IEC 14496-10, annex B).
        is_marked = (context.extradata or b"").startswith((_START_CODE, b"\x00" + _START_CODE))
        self._is_broadcast = context.name in ("h264", "hevc") and is_marked
        self._frame_ms = float(1000 / rate)
        tracks = _tracks(path, stream, rate)
        ebml_header = ebml.element(
            ebml.EBML_HEADER,
            ebml.element(b"\x42\x82", b"matroska")
            + ebml.element(b"\x42\x87", ebml.number(4))
            + ebml.element(b"\x42\x85", ebml.number(2)),
        )
        segment = ebml_header + ebml.SEGMENT
        self._size_place = len(segment)
        info = ebml.element(
            _INFO,
            ebml.element(_TIMESTAMP_SCALE, ebml.number(1_000_000))
            + ebml.element(_MUXING_APP, _NAME)
            + ebml.element(_WRITING_APP, _NAME)
            + ebml.element(_DURATION, struct.pack(">d", 0.0)),
        )
        head = segment + ebml.UNKNOWN_SIZE + info + tracks
        self._duration_place = head.index(_DURATION) + len(_DURATION) + 8
        self._end_ms = 0.0
        self.size = 0
        self._file = path.open("xb", buffering=0)
        self._write(head)

    def add(self, packet: av.Packet[VideoStream], time_ms: int) -> None:
        """Write a picture that is shown at that time.

        Raises `OSError` if there is no room for it; nothing of it is then in the file.
        """
        content = bytes(packet)
        if self._is_broadcast:  # lengths of four bytes take the place of start codes
            # A zero before a start code belongs to it; units end with a bit that is set.
            units = [unit.rstrip(b"\x00") for unit in content.split(_START_CODE)[1:]]
            content = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units if unit)
        flags = bytes([_KEY_FRAME if packet.is_keyframe else 0])
        cluster = ebml.element(
            _CLUSTER,
            ebml.element(_TIMESTAMP, ebml.number(time_ms))
            + ebml.element(_SIMPLE_BLOCK, _BLOCK_HEAD + flags + content),
        )
        self._write(cluster)
        self._end_ms = max(self._end_ms, time_ms + self._frame_ms)

    def close(self) -> None:
        """Write down where the file ends and how long it is; close it."""
        with self._file as file:
            content_size = self.size - self._size_place - len(ebml.UNKNOWN_SIZE)
            os.pwrite(file.fileno(), struct.pack(">d", self._end_ms), self._duration_place)
            os.pwrite(file.fileno(), ebml.size_field(content_size), self._size_place)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.seek(self.size)
            self._file.truncate()
            raise
        self.size += len(data)


class RecordingClock:
    """The time of a stream's pictures, in milliseconds since its recording began.

    Packets without any time, and those of a stream that has none of its own, but those that FFmpeg
    makes up, are shown when they arrive.
    """

    def __init__(self, *, has_times: bool) -> None:
        self._has_times = has_times
        self._offset_ms: int | None = None
        self._origin_s = 0.0
        self._last_ms = -1

    def shown_ms(self, packet: av.Packet[VideoStream], arrival_time_s: float) -> int:
        """Tell when a packet is shown; packets come in the order of decoding."""
        time_base = packet.time_base if self._has_times else None
        shown, decoded = (
            math.floor(1000 * time * time_base + Fraction(1, 2))
            if time is not None and time_base
            else None
            for time in (packet.pts, packet.dts)
        )
        reference = shown if decoded is None else decoded
        self._origin_s = self._origin_s or arrival_time_s
        if reference is None:
            self._last_ms = self._time_of(arrival_time_s)
            return self._last_ms
        if self._offset_ms is None:
            self._offset_ms = -reference + (_MARGIN_MS if decoded is None else 0)
            if self._last_ms >= 0:  # a camera may tell no time of its first picture
                self._offset_ms = self._time_of(arrival_time_s) - reference
        shown_ms = self._offset_ms + (reference if shown is None else shown)
        if decoded is None or self._offset_ms + decoded < self._last_ms:
            # A time of decoding that falls is FFmpeg's guess, of a Matroska stream that was joined.
            return max(0, shown_ms)
        self._last_ms = max(self._last_ms, self._offset_ms + decoded, 0)
        return max(self._last_ms, shown_ms)

    def _time_of(self, arrival_time_s: float) -> int:
        """Tell the time of what arrives, if it is later than all before."""
        return max(self._last_ms + 1, round(1000 * (arrival_time_s - self._origin_s)))


def with_shown_times(
    packets: Iterator[ArrivedPacket], stream: VideoStream, frame_period: int
) -> Iterator[ArrivedPacket]:
    """Give each packet of an .avi the time at which its picture is shown, which it does not tell.

    Packets stay in the order of decoding. Each waits until a decoder, which is of no other use,
    has given its picture; one without a picture keeps its own time.
    """
    decoder = PacketDecoder(stream, frame_period)
    waiting: deque[ArrivedPacket] = deque()
    shown: dict[int, int | None] = {}
    first, latest = 1, 0

    def known(rows: Iterator[Row], most_waiting: int) -> Iterator[ArrivedPacket]:
        nonlocal first, latest
        shown.update((picture.pts or 0, time) for picture, time in rows if picture is not None)
        while waiting and (first in shown or len(waiting) > most_waiting):
            arrived = waiting.popleft()
            packet = arrived.packet
            packet.pts = shown.pop(first, packet.pts)
            # FFmpeg takes one of MPEG-4 that is not coded for a key picture.
            packet.is_keyframe = packet.is_keyframe and (packet.pts or 0) >= latest
            latest = max(latest, packet.pts or 0)
            first += 1
            yield arrived

    for arrived in packets:
        packet = arrived.packet
        packet.pts, packet.dts = packet.dts, None
        waiting.append(arrived)
        copy = packet_of(bytes(packet), packet.pts)
        copy.is_keyframe = packet.is_keyframe
        yield from known(decoder.put(copy), _MOST_WAITING)
    yield from known(decoder.rest(), 0)


def _tracks(path: Path, stream: VideoStream, rate: Fraction) -> bytes:
    """Let FFmpeg describe the pictures, and add their rate."""
    buffer = io.BytesIO()
    options = {"live": "1", "write_crc32": "0"}
    try:
        with av.open(buffer, "w", format="matroska", options=options) as container:
            track = container.add_stream_from_template(stream, opaque=True)
            if stream.codec_context.name == "rawvideo":  # whose tag is all that tells its format
                track.codec_context.codec_tag = stream.codec_context.codec_tag
            container.start_encoding()
            header = buffer.getvalue()
    except (av.error.FFmpegError, ValueError) as error:
        kind = f"{stream.codec_context.name} {stream.codec_context.pix_fmt or ''}".strip()
        raise MovieError(path, f"cannot hold video of this kind ({kind})") from error
    content = (ebml.segment_place(header) or 0) + len(ebml.UNKNOWN_SIZE)
    tracks = dict(_elements(header[content:]))[_TRACKS]
    entry = dict(_elements(tracks))[_TRACK]
    kept = b"".join(
        ebml.element(identifier, content)
        for identifier, content in _elements(entry)
        if identifier != _DEFAULT_DURATION
    )
    period_ns = round(1_000_000_000 / rate)
    duration = ebml.element(_DEFAULT_DURATION, ebml.number(period_ns))
    return ebml.element(_TRACKS, ebml.element(_TRACK, kept + duration))


def _elements(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Take apart elements that stand one behind the other, all of them whole."""
    place = 0
    while place < len(data):
        identifier = data[place : place + 9 - data[place].bit_length()]
        size, place = ebml.read_size(data, place + len(identifier)) or (0, len(data))
        yield identifier, data[place : place + (size or 0)]
        place += size or 0
