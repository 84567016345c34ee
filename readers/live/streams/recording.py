"""The file that a stream is recorded to."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import IO

import av
import av.error
from av.video.stream import VideoStream

from readers.container import ebml
from readers.errors import MovieError

TIME_BASE = Fraction(1, 1000)
"""Seconds of a unit of time in a Matroska file."""
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


class Recording:
    """A Matroska file (RFC 9559) that grows by one picture at a time.

    Every picture is a cluster of its own, written at once: whatever happens, all but the last one
    can be read. Nothing is transcoded; H.264 and HEVC change from the form that is broadcast to
    the one that is stored. Any thread may close it.

    Parameters
    ----------
    path
        The file; it must not exist yet.
    stream
        What the packets are.
    rate
        Frames per second, nominal.

    Attributes
    ----------
    head
        The file's beginning, before the first picture.

    Raises
    ------
    FileExistsError
        If it exists.
    MovieError
        If a Matroska file cannot hold such pictures.
    """

    def __init__(self, path: Path, stream: VideoStream, rate: Fraction) -> None:
        context = stream.codec_context
        self._is_broadcast = context.name in ("h264", "hevc") and _is_broadcast(context.extradata)
        self._frame_ms = float(1000 / rate)
        tracks = _tracks(path, stream, rate)
        info = _info()
        ebml_header = ebml.element(
            ebml.EBML_HEADER,
            ebml.element(b"\x42\x82", b"matroska")
            + ebml.element(b"\x42\x87", ebml.number(4))
            + ebml.element(b"\x42\x85", ebml.number(2)),
        )
        segment = ebml_header + ebml.SEGMENT
        self._size_place = len(segment)
        self.head = segment + ebml.UNKNOWN_SIZE + info + tracks
        self._duration_place = self.head.index(_DURATION) + len(_DURATION) + 8
        self._end_ms = 0.0
        self._size = 0
        self._lock = Lock()
        file = path.open("xb", buffering=0)
        self._file: IO[bytes] | None = file
        self._write(file, self.head)

    def content(self, packet: av.Packet[VideoStream]) -> bytes:
        """Give a packet's bytes as they stand in the file."""
        data = bytes(packet)
        return _length_prefixed(data) if self._is_broadcast else data

    def add(self, content: bytes, time_ms: int, *, is_keyframe: bool) -> bytes:
        """Write a picture, and return what was written; nothing once the file is closed.

        Raises
        ------
        OSError
            If there is no room for it. Nothing of it is then in the file.
        """
        flags = bytes([_KEY_FRAME if is_keyframe else 0])
        cluster = ebml.element(
            _CLUSTER,
            ebml.element(_TIMESTAMP, ebml.number(time_ms))
            + ebml.element(_SIMPLE_BLOCK, _BLOCK_HEAD + flags + content),
        )
        with self._lock:
            if self._file is None:
                return b""
            self._write(self._file, cluster)
            self._end_ms = max(self._end_ms, time_ms + self._frame_ms)
        return cluster

    def close(self) -> None:
        """Write down where the file ends and how long it is, once; close it."""
        with self._lock:
            file, self._file = self._file, None
            if file is None:
                return
            with file:
                _write_at(file, self._duration_place, struct.pack(">d", self._end_ms))
                content_size = self._size - self._size_place - len(ebml.UNKNOWN_SIZE)
                _write_at(file, self._size_place, ebml.size_field(content_size))

    def _write(self, file: IO[bytes], data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            file.seek(self._size)
            file.truncate()
            raise
        self._size += len(data)


def _write_at(file: IO[bytes], place: int, data: bytes) -> None:
    os.pwrite(file.fileno(), data, place)


def _info() -> bytes:
    return ebml.element(
        _INFO,
        ebml.element(_TIMESTAMP_SCALE, ebml.number(1_000_000))
        + ebml.element(_MUXING_APP, _NAME)
        + ebml.element(_WRITING_APP, _NAME)
        + ebml.element(_DURATION, struct.pack(">d", 0.0)),
    )


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


def _is_broadcast(extradata: bytes | None) -> bool:
    """Tell whether pictures are marked by start codes (ISO/IEC 14496-10, annex B)."""
    return extradata is not None and extradata.startswith((_START_CODE, b"\x00" + _START_CODE))


def _length_prefixed(data: bytes) -> bytes:
    """Put the length of each unit before it, in four bytes, instead of a start code."""
    units = data.split(_START_CODE)[1:]
    # A zero before the next start code belongs to that one; units end with a bit that is set.
    stripped = (unit.rstrip(b"\x00") for unit in units)
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in stripped if unit)
