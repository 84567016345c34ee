"""Opens one file for FFmpeg, so that FFmpeg reads this file, nothing else, and no huge pictures."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Generic, Protocol, TypeVar, cast

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from readers.errors import MovieError

MOST_PIXELS = 2**25
"""Of a picture: 8K UHD has as many. What claims more is a mistake or a trap."""


class SourceFile(Protocol):
    """What FFmpeg reads a movie through; it takes an error for the end."""

    error: OSError | None

    @property
    def size(self) -> int:
        """Number of bytes, as far as is known."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; none at the end."""

    def tell(self) -> int:
        """Position in bytes from the start."""


class WatchedFile:
    """Bytes of a file from `offset` to `end`, for FFmpeg, which takes an error for the end.

    Attributes
    ----------
    size
        Number of bytes.
    error
        What went wrong while the file was read; None where nothing did.
    """

    def __init__(self, file: IO[bytes], offset: int, end: int) -> None:
        self._file_number = file.fileno()
        self._offset, self._end = offset, end
        self.size = end - offset
        self._position = offset
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; none at the end and after an error."""
        size = min(size, self._end - self._position)
        if size <= 0 or self.error is not None:
            return b""
        try:
            data = os.pread(self._file_number, size, self._position)
        except OSError as error:
            self.error = error
            return b""
        if not data:
            self.error = OSError(errno.EIO, "it has become shorter while it was read")
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` bytes from the start, the position or the end."""
        origin = {
            os.SEEK_SET: self._offset,
            os.SEEK_CUR: self._position,
            os.SEEK_END: self._end,
        }[whence]
        self._position = max(self._offset, origin + offset)
        return self.tell()

    def tell(self) -> int:
        """Position in bytes from the start."""
        return self._position - self._offset


File = TypeVar("File", bound=SourceFile)


@dataclass(frozen=True)
class Demuxer(Generic[File]):
    """A file that FFmpeg has opened, and its one video stream."""

    file: File
    container: InputContainer
    stream: VideoStream

    def packets(self) -> Iterator[av.Packet[VideoStream]]:
        """Yield the stream's packets; one may be empty, which no decoder must see.

        Raises
        ------
        OSError
            If the file cannot be read: FFmpeg alone would take this for its end.
        FFmpegError
            If its data cannot be taken apart any further.
        """
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            finally:
                if self.file.error is not None:
                    raise self.file.error
            if packet is None:
                return
            if packet.size or packet.pts is not None:  # the last one of all is neither
                yield packet


def open_regular_file(path: Path) -> IO[bytes]:
    """Open a file to read; raise `MovieError` for what is none, such as a pipe or a device."""
    # Without waiting: a pipe would wait for somebody to write.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise MovieError(path, "is no file")
    return file


@contextmanager
def demuxer(
    path: Path,
    container_format: str,
    offset: int = 0,
    size: int | None = None,
    *,
    most_pixels: int = MOST_PIXELS,
    read_ahead_bytes: int = 2**16,
) -> Iterator[Demuxer[WatchedFile]]:
    """Open a movie, or the part of `size` bytes from `offset` on, as `container_format`.

    Larger pictures than `most_pixels` cannot be decoded.

    Raises
    ------
    MovieError
        If there is no video in it.
    """
    with open_regular_file(path) as file:
        end = os.fstat(file.fileno()).st_size if size is None else offset + size
        watched = WatchedFile(file, offset, end)
        with demuxer_of(
            path,
            watched,
            container_format,
            most_pixels=most_pixels,
            read_ahead_bytes=read_ahead_bytes,
        ) as source:
            yield source


@contextmanager
def demuxer_of(
    path: Path,
    file: File,
    container_format: str,
    *,
    most_pixels: int = MOST_PIXELS,
    read_ahead_bytes: int = 2**16,
) -> Iterator[Demuxer[File]]:
    """Open a movie that is read through `file`; otherwise as `demuxer`."""
    with _opened(file, container_format, read_ahead_bytes) as container:
        stream = container.streams.best("video")  # not the first: that may be a cover picture
        if not isinstance(stream, VideoStream):
            raise MovieError(path, "holds no video")
        if getattr(stream, "codec_context", None) is None:  # PyAV's types do not tell
            raise MovieError(path, "holds a kind of video that cannot be decoded")
        most_pixels = max(most_pixels, min(stream.width * stream.height, MOST_PIXELS))
        stream.codec_context.options = {"max_pixels": str(most_pixels)}
        # Not one frame a thread: FFmpeg then loses good frames behind a damaged last packet.
        stream.thread_type = "SLICE"
        yield Demuxer(file, container, stream)


@contextmanager
def _opened(
    file: SourceFile, container_format: str, read_ahead_bytes: int
) -> Iterator[InputContainer]:
    try:
        container = av.open(
            cast(IO[bytes], file),  # PyAV needs no more of it
            "r",
            # Told, not guessed: a playlist that is named .mp4 would be played.
            format=container_format,
            options={"max_pixels": str(MOST_PIXELS), "protocol_whitelist": "none"},
            metadata_errors="replace",
            buffer_size=read_ahead_bytes,
        )
    except av.error.FFmpegError:
        if file.error is not None:
            raise file.error from None
        raise
    with container:
        yield container
