"""Targets that break in every way that the harness must see."""

from __future__ import annotations

import os
from mmap import mmap

from readers import InputError


class _TwoLinesError(InputError):
    def __init__(self) -> None:
        ValueError.__init__(self, "not\nso")


def breaks_on_command(data: bytes) -> None:
    """Accept b"fine" alone; any other input says how to break."""
    if data == b"exception":
        raise KeyError(data)
    if data == b"refused":
        raise InputError("not so")
    if data == b"two lines":
        raise _TwoLinesError
    if data == b"crash":
        os.abort()
    if data == b"memory":
        mmap(-1, 2**31).close()
    if data == b"memory taken for a refusal":
        try:
            mmap(-1, 2**31).close()
        except OSError as error:
            raise InputError("not so") from error
    while data == b"hang":
        pass
