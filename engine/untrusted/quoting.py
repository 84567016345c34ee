"""Values of unknown files in messages: each on one line, and not too long.

Such a value may be a text of a megabyte, a list that holds itself, or a name with line breaks or
with codes that clear a terminal.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from pathlib import Path

from readers.errors import printable

__all__ = ["cut", "path_as_text", "printable", "reason", "short", "short_list"]
_MOST_CHARACTERS = 100
_MOST_NAMES = 20
_MOST_ITEMS = 6
_LONGEST_REASON = 200


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = self.maxlong = _MOST_CHARACTERS
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = _MOST_ITEMS

    def repr_int(self, x: int, level: int) -> str:
        """Write an integer; Python refuses to write those of more than 4,300 digits."""
        if x.bit_length() > 10_000:
            return f"an integer of {x.bit_length()} bits"
        return super().repr_int(x, level)


_REPR = _Short()


def short(value: object) -> str:
    """Write a value as Python does, in at most 100 characters, going only through its beginning."""
    return printable(cut(_REPR.repr(value)))


def short_list(names: Sequence[str]) -> str:
    """Join names by commas, the first 20 where there are more."""
    shown = ", ".join(printable(cut(name)) for name in names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown} … ({more} more)" if more > 0 else shown


def cut(text: str) -> str:
    """Shorten a text to 100 characters."""
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def path_as_text(path: Path) -> str:
    """Write a path for JSON: as it is, or as a ``file:`` URI where some bytes are not text.

    JSON would hold halves of characters for such bytes, which not every program reads.
    """
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return path.absolute().as_uri()
    return text


def reason(error: BaseException) -> str:
    """Write what a library's error says on one line, in at most 200 characters."""
    return printable(" ".join(str(error).split())[:_LONGEST_REASON]) or type(error).__name__
