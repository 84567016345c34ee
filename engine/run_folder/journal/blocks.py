"""The bytes of a journal.

Its start names the format, the number of body parts, the frames a batch and whether rows tell how
their frames were looked at, with a checksum.
Blocks follow, each with a head (number of rows, number of bytes, checksum) and its bytes. What a
crash has torn has another checksum, and counts as not written.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO

_MAGIC = b"posestream journal 2\n"
_START = struct.Struct(f"<{len(_MAGIC)}sII?")
_CHECKSUM = struct.Struct("<I")
_HEAD = struct.Struct("<III")
_LARGEST_BLOCK_BYTES = 2**30


def start_bytes(num_body_parts: int, batch_size: int, has_looks: bool) -> bytes:
    """Give the start of a journal."""
    start = _START.pack(_MAGIC, num_body_parts, batch_size, has_looks)
    return start + _CHECKSUM.pack(zlib.crc32(start))


def read_start(file: IO[bytes]) -> tuple[int, int, bool] | None:
    """Read what `start_bytes` was given; None where the file has no whole start."""
    data = file.read(_START.size + _CHECKSUM.size)
    start = data[: _START.size]
    if not start.startswith(_MAGIC) or data[_START.size :] != _CHECKSUM.pack(zlib.crc32(start)):
        return None
    _, num_body_parts, batch_size, has_looks = _START.unpack(start)
    return num_body_parts, batch_size, has_looks


def block_bytes(num_rows: int, data: bytes) -> bytes:
    """Give a block."""
    return _HEAD.pack(num_rows, len(data), _checksum(num_rows, data)) + data


def read_blocks(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield number of rows and bytes of every block, up to the first that is not whole."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        num_rows, num_bytes, checksum = _HEAD.unpack(head)
        if num_bytes > _LARGEST_BLOCK_BYTES:
            return
        data = file.read(num_bytes)
        if len(data) < num_bytes or checksum != _checksum(num_rows, data):
            return
        yield num_rows, data


def _checksum(num_rows: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(struct.pack("<II", num_rows, len(data))))
