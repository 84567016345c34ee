"""A file for libraries that do not tell when it cannot be written."""

from __future__ import annotations

import os
from pathlib import Path


class OutputFile:
    """A file open for writing that remembers the first error, whatever its user makes of it.

    FFmpeg writes an mp4 to its end, and says that all is well, though the disk was full halfway
    and the file is cut off there. PyAV is given this instead of a name; `close` tells.

    Parameters
    ----------
    path
        The file; what stands there is written over.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path.absolute())  # by which FFmpeg opens it a second time, for reading
        self._file = path.open("wb", buffering=0)
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of the data; after an error, raise it again without another try."""
        if self._error is not None:
            raise self._error
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
            raise
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to where the next data goes."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Tell where the next data goes."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file, and raise what went wrong while it was written."""
        self._file.close()
        if self._error is not None:
            raise self._error
