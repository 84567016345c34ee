"""An error while writing is not forgotten."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest

from sinks.files import OutputFile


class Flaky(io.RawIOBase):
    """A device that takes three bytes at a time and has no room for the third piece."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.num_writes = 0

    def write(self, data: memoryview) -> int:  # type: ignore[override] # of what is handed in here
        self.num_writes += 1
        if self.num_writes == 3:
            raise OSError(errno.ENOSPC, "")
        self.taken.append(bytes(data[:3]))
        return len(self.taken[-1])


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[OutputFile, Flaky]:
    flaky, file = Flaky(), OutputFile(tmp_path / "movie.mp4")
    file._file.close()
    monkeypatch.setattr(file, "_file", flaky)
    return file, flaky


def test_all_of_the_data_is_written_even_in_pieces(device: tuple[OutputFile, Flaky]) -> None:
    file, flaky = device
    assert file.write(b"abcdef") == 6
    assert flaky.taken == [b"abc", b"def"]
    file.close()


def test_nothing_is_written_behind_a_gap_and_closing_tells(
    device: tuple[OutputFile, Flaky],
) -> None:
    file, flaky = device
    with pytest.raises(OSError, match=str(errno.ENOSPC)):
        file.write(b"abcdefghi")
    with pytest.raises(OSError, match=str(errno.ENOSPC)):
        file.write(b"there is room again")
    assert flaky.taken == [b"abc", b"def"]
    with pytest.raises(OSError, match=str(errno.ENOSPC)):
        file.close()
    assert flaky.closed
