"""The elements that a Matroska file is made of (RFC 8794)."""

from __future__ import annotations

EBML_HEADER = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
UNKNOWN_SIZE = b"\x01" + 7 * b"\xff"
"""Of an element whose end was not known when its beginning was written."""


def element(identifier: bytes, content: bytes) -> bytes:
    """Make an element; its size takes eight bytes, whatever it is."""
    return identifier + size_field(len(content)) + content


def size_field(size: int) -> bytes:
    """Write the size of an element's content in eight bytes."""
    return (1 << 56 | size).to_bytes(8, "big")


def number(value: int) -> bytes:
    """Write the content of an element that is an unsigned integer."""
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def read_size(data: bytes, place: int) -> tuple[int | None, int] | None:
    """Read the size of an element's content, None where it is unknown, and where that begins.

    None where there is no size at `place`.
    """
    first = data[place] if place < len(data) else 0
    length = 9 - first.bit_length()
    if not first or place + length > len(data):
        return None
    mark = 1 << 7 * length
    size = int.from_bytes(data[place : place + length], "big") ^ mark
    return None if size == mark - 1 else size, place + length


def segment_place(head: bytes) -> int | None:
    """Tell where the size of a Matroska file's segment stands; None where there is no segment."""
    if not head.startswith(EBML_HEADER):
        return None
    header = read_size(head, len(EBML_HEADER))
    if header is None or header[0] is None:
        return None
    start = header[0] + header[1]
    return start + len(SEGMENT) if head.startswith(SEGMENT, start) else None
