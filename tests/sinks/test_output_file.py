"""An error while writing is not forgotten."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest

from sinks.files import OutputFile


class Device(io.FileIO):
    """Takes three bytes at a time and has no room for the third piece."""

    def write(self, data: memoryview) -> int:  # type: ignore[override] # of what is handed in here
        if self.tell() == 6:
            raise OSError(errno.ENOSPC, "")
        return super().write(data[:3])


class Flaky(OutputFile, Device):
    """Writes on the device."""


def test_all_of_the_data_is_written_even_in_pieces(tmp_path: Path) -> None:
    file = Flaky(tmp_path / "movie.mp4")
    assert file.write(b"abcdef") == 6
    file.close()
    assert (tmp_path / "movie.mp4").read_bytes() == b"abcdef"


def test_nothing_is_written_behind_a_gap_and_closing_tells(tmp_path: Path) -> None:
    file = Flaky(tmp_path / "movie.mp4")
    with pytest.raises(OSError, match=str(errno.ENOSPC)):
        file.write(b"abcdefghi")
    file.seek(0)
    with pytest.raises(OSError, match=str(errno.ENOSPC)):
        file.write(b"there is room again")
    with pytest.raises(OSError, match=str(errno.ENOSPC)):
        file.close()
    assert file.closed
    assert (tmp_path / "movie.mp4").read_bytes() == b"abcdef"
