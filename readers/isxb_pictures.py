"""The pictures of an .isxb file: JPEGs, back to back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from readers.demuxer import demuxer
from readers.errors import MovieError
from readers.isxb_layout import IsxbLayout

_READ_AHEAD_BYTES = 2**20


@contextmanager
def open_pictures(
    path: Path, layout: IsxbLayout
) -> Iterator[tuple[VideoCodecContext, Iterator[av.Packet[VideoStream]]]]:
    """Open the pictures of a file; give its decoder and its packets, of one picture each."""
    if layout.video.size == 0:
        raise MovieError(path, "holds no frame that can be decoded")
    # A part of its own: the JSON behind the video must not be taken for pictures.
    with demuxer(
        path,
        "mjpeg",
        layout.video.offset,
        layout.video.size,
        read_ahead_bytes=_READ_AHEAD_BYTES,
    ) as source:
        context = source.stream.codec_context
        # Strict: otherwise FFmpeg passes damaged pictures with a part of them wrong.
        context.options = {**context.options, "err_detect": "explode"}
        yield context, (packet for packet in source.packets() if packet.size)


def decode_picture(
    context: VideoCodecContext, packet: av.Packet[VideoStream]
) -> av.VideoFrame | None:
    """Decode a packet; None where that fails."""
    try:
        return next(iter(context.decode(packet)), None)
    except av.error.FFmpegError:  # of any kind: a size that is nonsense is told as lack of memory
        return None
