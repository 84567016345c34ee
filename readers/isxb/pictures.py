"""The pictures of an .isxb file: JPEGs, back to back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from readers.errors import MovieError
from readers.ffmpeg import Demuxer, demuxer
from readers.isxb.jpegs import END_OF_PICTURE, is_flawed_picture
from readers.isxb.layout import START_OF_PICTURE, IsxbLayout, Part

_READ_AHEAD_BYTES = 2**20
_MOST_PADDING_BYTES = 64


@contextmanager
def open_pictures(
    path: Path, layout: IsxbLayout
) -> Iterator[tuple[VideoCodecContext, Iterator[av.Packet[VideoStream]]]]:
    """Open the pictures of a file; give its decoder and its packets, of one picture each."""
    if layout.video.size == 0:
        raise MovieError(path, "holds no frame that can be decoded")
    # A part of its own: the JSON behind the video must not be taken for pictures.
    with open_picture_stream(path, layout.video) as source:
        packets = (packet for packet in source.packets() if packet.size)
        yield source.stream.codec_context, packets


@contextmanager
def open_picture_stream(path: Path, pictures: Part) -> Iterator[Demuxer]:
    """Open a part of a file, nothing but pictures, for FFmpeg to take apart and decode."""
    with demuxer(
        path, "mjpeg", pictures.offset, pictures.size, read_ahead_bytes=_READ_AHEAD_BYTES
    ) as source:
        context = source.stream.codec_context
        # Strict: otherwise FFmpeg passes damaged pictures with a part of them wrong.
        context.options = {**context.options, "err_detect": "explode"}
        yield source


def looks_damaged(packet: av.Packet[VideoStream], *, all_of_it: bool) -> bool:
    """Tell whether a packet is anything but one picture, without decoding it.

    Looking through all of it takes about a hundredth of the time that decoding takes; looking
    at its ends next to none.
    """
    if all_of_it:
        return is_flawed_picture(bytes(packet))
    data = memoryview(packet)
    begins = data[: len(START_OF_PICTURE)] == START_OF_PICTURE
    return not begins or END_OF_PICTURE not in bytes(data[-_MOST_PADDING_BYTES:])


def decode_picture(
    context: VideoCodecContext, packet: av.Packet[VideoStream]
) -> av.VideoFrame | None:
    """Decode a packet; None where that fails."""
    try:
        return next(iter(context.decode(packet)), None)
    except av.error.FFmpegError:  # of any kind: a size that is nonsense is told as lack of memory
        return None
