"""A guard before a parser of JSON: text that is nested too deeply, or has no end, is refused."""

from __future__ import annotations

import io

DEEPEST = 32
"""What recorders write is nested five deep; the parser's memory grows with the square of it."""
LONGEST_BYTES = 2**20
"""Without a bracket or a comma: a number or a text of such a length is none."""

_PAIRS = (b"[]", b"{}")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ENDS = (b"[", b"]", b"{", b"}", b",")


class ShallowJson:
    """A file to read from; raises `ValueError` as soon as its JSON is too deep.

    Brackets within texts count too, so that a text full of them may be refused.
    """

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._depth = 0
        self._num_without_end = 0

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        data = self._file.read(size) or b""
        self._check_depth(data)
        self._check_length(data)
        return data

    def _check_depth(self, data: bytes) -> None:
        brackets = data.translate(None, _NOT_BRACKETS)
        for _ in range(DEEPEST):
            shorter = brackets.replace(_PAIRS[0], b"").replace(_PAIRS[1], b"")
            if len(shorter) == len(brackets):
                break
            brackets = shorter
        num_opened = brackets.count(b"[") + brackets.count(b"{")
        if self._depth + num_opened > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        self._depth = max(0, self._depth + 2 * num_opened - len(brackets))

    def _check_length(self, data: bytes) -> None:
        last = max(map(data.rfind, _ENDS))
        self._num_without_end = len(data) - last + (self._num_without_end if last < 0 else 0)
        if self._num_without_end > LONGEST_BYTES:
            raise ValueError(f"it has a number or text of more than {LONGEST_BYTES} bytes")
