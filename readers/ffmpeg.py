"""The opening of a file for FFmpeg, which reads nothing but this file, and no huge pictures."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

import av
import av.error
from av.container import Container, InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from readers.errors import MovieError

_BECAME_SHORTER = "it has become shorter while it was read"
MOST_PIXELS = 2**25
"""Of a picture: 8K UHD has as many. A file that claims more is a mistake or a trap."""
MOVIE_FORMATS = (
    "asf,av1,avi,cavsvideo,dhav,dirac,dv,flv,gif,gxf,h261,h263,h264,hevc,ivf,live_flv,lmlm4,m4v,"
    "matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,mxf,nsv,nut,nuv,obu,ogg,pva,rm,ser,smjpeg,swf,ty,"
    "vc1,vc1test,vvc,webm,wtv,yuv4mpegpipe"
)
"""FFmpeg's formats that hold a movie in one file: none is a picture, a text or a list of files."""


class SourceFile(Protocol):
    """The file that FFmpeg reads a movie from; it takes an error for the end."""

    error: OSError | None
    """What went wrong while it was read; None where nothing did."""

    @property
    def size(self) -> int:
        """Number of bytes, as far as is known."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; none at the end."""

    def peek(self, offset: int, size: int, /) -> bytes:
        """Read bytes from anywhere; fewer where there are no more."""

    def tell(self) -> int:
        """Position in bytes from the start."""


class WatchedFile:
    """Bytes of a file from `offset` to `end`; a `SourceFile`, and what else FFmpeg asks of one."""

    def __init__(self, file: IO[bytes], offset: int, end: int) -> None:
        self._file_number = file.fileno()
        self._offset = offset
        self._position = 0
        self.size = end - offset
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; none at the end and after an error."""
        data = self.peek(self._position, size)
        self._position += len(data)
        return data

    def peek(self, offset: int, size: int) -> bytes:
        """Read bytes from anywhere; none behind the end and after an error."""
        size = min(size, self.size - offset)
        if size <= 0 or self.error is not None:
            return b""
        try:
            data = os.pread(self._file_number, size, self._offset + offset)
        except OSError as error:
            self.error = error
            return b""
        if not data:
            self.error = OSError(errno.EIO, _BECAME_SHORTER)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` bytes from the start, the position or the end."""
        origins = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}
        self._position = max(0, origins[whence] + offset)
        return self._position

    def tell(self) -> int:
        """Position in bytes from the start."""
        return self._position


@dataclass(frozen=True)
class Demuxer:
    """A file that FFmpeg has opened, its one video stream, and what is read when it has ended."""

    file: SourceFile
    container: InputContainer
    stream: VideoStream
    behind: tuple[SourceFile, ...] = ()
    """Recordings that were joined to it."""

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
                break
            if packet.size or packet.pts is not None:  # the last one of all is neither
                yield packet
        for file in self.behind:
            with _opened(file, self.container.format.name, 2**16) as container:
                stream = first_video(container)
                if stream is not None:
                    yield from Demuxer(file, container, stream).packets()


def packet_of(data: bytes, time: int | None = None) -> av.Packet[VideoStream]:
    """Make a packet of video, shown and decoded at the same time."""
    packet = cast("av.Packet[VideoStream]", av.Packet(data))
    packet.pts = packet.dts = time
    return packet


def open_regular_file(path: Path) -> IO[bytes]:
    """Open a regular file to read; raise `MovieError` for a pipe, a device or a folder."""
    # Without waiting: a pipe would wait for a writer.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise MovieError(path, "is no file")
    return file


def read_part(file: IO[bytes], offset: int, size: int) -> bytes:
    """Read bytes that a file has; `OSError` where it has them no more."""
    data = os.pread(file.fileno(), size, offset)
    if len(data) < size:
        raise OSError(errno.EIO, _BECAME_SHORTER)
    return data


@contextmanager
def demuxer(
    path: Path,
    file: SourceFile,
    container_format: str | None,
    *,
    most_pixels: int = MOST_PIXELS,
    read_ahead_bytes: int = 2**16,
) -> Iterator[Demuxer]:
    """Open a movie that is read through `file`, as `container_format`.

    Where that is None FFmpeg finds it out, among `MOVIE_FORMATS`. The stream is the first one of
    video that is no cover picture; FFmpeg gives no packets of the others. Larger pictures than
    `most_pixels` cannot be decoded. Raises `MovieError`, with the path, if there is no video in it.
    """
    with _opened(file, container_format, read_ahead_bytes) as container:
        stream = first_video(container)
        if stream is None:
            raise MovieError(path, no_video(container))
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        if getattr(stream, "codec_context", None) is None:  # PyAV's types do not tell
            raise MovieError(path, "holds a kind of video that cannot be decoded")
        most_pixels = max(most_pixels, min(stream.width * stream.height, MOST_PIXELS))
        stream.codec_context.options = {"max_pixels": str(most_pixels)}
        # Not one frame a thread: FFmpeg then loses good frames behind a damaged last packet.
        stream.thread_type = "SLICE"
        yield Demuxer(file, container, stream)


@contextmanager
def _opened(
    file: SourceFile, container_format: str | None, read_ahead_bytes: int
) -> Iterator[InputContainer]:
    try:
        container = av.open(
            cast(IO[bytes], file),  # PyAV needs no more of it
            "r",
            format=container_format,
            # A playlist would be played, whatever its name is.
            options={
                "max_pixels": str(MOST_PIXELS),
                "protocol_whitelist": "none",
                "format_whitelist": MOVIE_FORMATS,
            },
            metadata_errors="replace",
            buffer_size=read_ahead_bytes,
        )
    except av.error.FFmpegError:
        if file.error is not None:
            raise file.error from None
        raise
    with container:
        yield container


def videos(container: Container) -> list[VideoStream]:
    """List the video streams that are no cover pictures."""
    return [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]


def first_video(container: InputContainer) -> VideoStream | None:
    """Give the first video stream that is no cover picture, as OpenCV does; None without one."""
    return next(iter(videos(container)), None)


def no_video(container: InputContainer) -> str:
    """Say what is there instead of video."""
    has_sound, has_cover = bool(container.streams.audio), bool(container.streams.video)
    found = " and ".join(["sound"] * has_sound + ["a cover picture"] * has_cover)
    return f"holds no video, but {found}" if found else "holds no video"


def other_videos(stream: VideoStream) -> str | None:
    """Say which video streams of its container are not read; None where it is the only one."""
    found = videos(stream.container)
    if len(found) < 2:
        return None
    words = {}
    for each in found:
        context = getattr(each, "codec_context", None)  # none where it cannot be decoded
        kind = "of an unknown kind"
        if context is not None:
            kind = f"{context.width} x {context.height} pixels, {context.name}"
        words[each.index] = f"stream {each.index} ({kind})"
    read = words.pop(stream.index)
    return f"holds {len(found)} video streams: {read} is read, {', '.join(words.values())} not"
