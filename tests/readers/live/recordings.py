"""Recorders that write a movie step by step, as far as a test lets them."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from readers import inspect_movie, open_movie
from readers.formats import open_feed
from readers.frames import FrameBatch, FrameStatus
from readers.growing.growing_file import ArrivedPacket, Feed
from readers.live.movie import LiveMovie
from tests.small_movies import small_movie

WIDTH, HEIGHT, RATE = 64, 48, 30
FRAGMENTED = "frag_keyframe+empty_moov+default_base_moof"
HEADER_BYTES = 96


@dataclass(frozen=True)
class Write:
    """What a recorder writes at once, and where."""

    offset: int
    data: bytes


class _NotingFile(io.RawIOBase):
    """Notes what a muxer writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Write] = []
        self._position = 0
        self._size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]  # PyAV gives nothing but bytes
        self.writes.append(Write(self._position, bytes(data)))
        self._position += len(data)
        self._size = max(self._size, self._position)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[
            whence
        ] + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def pictures(count: int, width: int = WIDTH, height: int = HEIGHT) -> list[NDArray[np.uint8]]:
    """Blocks that move one pixel a frame."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    picture = blocks.repeat(8, 0).repeat(8, 1)[:height, :width]
    return [np.ascontiguousarray(np.roll(picture, shift, axis=1)) for shift in range(count)]


def recording(
    kind: str,
    codec: str = "mjpeg",
    num_frames: int = 30,
    *,
    sizes: Sequence[tuple[int, int]] = ((WIDTH, HEIGHT),),
    container_options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> list[Write]:
    """Note what a recorder of that kind writes, packet by packet; picture sizes take turns."""
    file = _NotingFile()
    options = {"movflags": FRAGMENTED} if kind == "mp4" else {}
    options |= {"flush_packets": "1"} | (container_options or {})
    container_format = {"mkv": "matroska", "ts": "mpegts"}.get(kind, kind)
    with av.open(file, "w", format=container_format, options=options) as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=RATE))
        stream.width, stream.height = sizes[0]
        stream.pix_fmt = "yuv420p" if codec == "libx264" else "yuvj420p"
        stream.codec_context.options = codec_options or {}
        stream.codec_context.gop_size = 8
        shown = [pictures(num_frames, *size) for size in sizes]
        for index in range(num_frames):
            image = shown[index % len(sizes)][index]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            for packet in _encoded(stream, frame, has_sizes=len(sizes) > 1):
                container.mux(packet)
        container.mux(stream.encode(None))
    return file.writes


def _encoded(
    stream: VideoStream, frame: av.VideoFrame, *, has_sizes: bool
) -> Iterable[av.Packet[VideoStream]]:
    if not has_sizes:
        return stream.encode(frame)
    encoder = av.CodecContext.create("mjpeg", "w")  # each picture by an encoder of its own
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, RATE)
    packets = list(encoder.encode(frame))
    for packet in packets:
        packet.stream = stream
    return packets


def isxb_recording(
    directory: Path, num_frames: int = 12, *, dropped: Collection[int] = ()
) -> list[Write]:
    """Note what the recorder of an .isxb writes: the header is blank until the end."""
    path = small_movie(directory / "whole.isxb", num_frames=num_frames, dropped=dropped)
    data = path.read_bytes()
    pictures_on = Write(HEADER_BYTES, data[HEADER_BYTES:])
    return [Write(0, bytes(HEADER_BYTES)), pictures_on, Write(0, data[:HEADER_BYTES])]


def chopped(writes: Iterable[Write], lengths: Iterator[int]) -> Iterator[Write]:
    """Take writes apart into pieces of the given lengths."""
    for write in writes:
        done = 0
        while done < len(write.data):
            piece = write.data[done : done + next(lengths)]
            yield Write(write.offset + done, piece)
            done += len(piece)


def written(writes: Iterable[Write]) -> bytes:
    """Give the file that all writes make."""
    data = bytearray()
    for write in writes:
        data[write.offset : write.offset + len(write.data)] = write.data
    return bytes(data)


@dataclass
class Recorder:
    """Makes the next write of a recording at each wait, and lets time go by.

    `events` are called, each once, when as many writes were made.
    """

    path: Path
    writes: Iterator[Write]
    events: dict[int, Callable[[], object]] = field(default_factory=dict)
    time_s: float = 1000.0
    num_made: int = 0

    def __post_init__(self) -> None:
        self.path.write_bytes(b"")

    def clock(self) -> float:
        return self.time_s

    def wait(self, seconds: float) -> None:
        self.time_s += seconds
        event = self.events.pop(self.num_made, None)
        if event is not None:
            event()
            return
        write = next(self.writes, None)
        if write is not None:
            self.make(write)

    def make(self, write: Write) -> None:
        with self.path.open("r+b") as file:
            file.seek(write.offset)
            file.write(write.data)
        self.num_made += 1

    def feed(self, end_after_s: float = 0.5) -> Feed:
        return open_feed(self.path, end_after_s=end_after_s, wait=self.wait, clock=self.clock)

    def movie(self, *, newest_only: bool = False, end_after_s: float = 0.5) -> LiveMovie:
        return LiveMovie(self.feed(end_after_s), None, newest_only=newest_only)


class WeighedQueue(SimpleQueue[ArrivedPacket | None]):
    """A queue of a live movie's packets that notes how many bytes were in it at most."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._num_bytes = self.most_bytes = 0

    def put(self, arrived: ArrivedPacket | None, *_: object) -> None:
        with self._lock:
            self._num_bytes += 0 if arrived is None else arrived.packet.size
            self.most_bytes = max(self.most_bytes, self._num_bytes)
            super().put(arrived)

    def get(self, *_: object) -> ArrivedPacket | None:
        arrived = super().get()
        with self._lock:
            self._num_bytes -= 0 if arrived is None else arrived.packet.size
        return arrived


def batches_of(movie: LiveMovie, capacity: int = 4) -> list[FrameBatch]:
    """Read what has arrived, or will, to the end."""
    batches = []
    while (batch := movie.read(np.empty((capacity, *movie.image_shape), np.uint8))) is not None:
        batches.append(batch)
    return batches


def together(batches: Sequence[FrameBatch]) -> FrameBatch:
    """Make one batch of all."""
    return FrameBatch(
        0,
        np.concatenate([batch.images for batch in batches]),
        np.concatenate([batch.time_s for batch in batches]),
        np.concatenate([batch.hardware_counter_us for batch in batches]),
        np.concatenate([batch.status for batch in batches]),
        None
        if batches[0].arrival_time_s is None
        else np.concatenate([cast(NDArray[np.float64], b.arrival_time_s) for b in batches]),
    )


def finished(path: Path) -> FrameBatch:
    """Read a finished movie, but for the frames that its recorder dropped."""
    with open_movie(inspect_movie(path)) as reader:
        batch = reader.read(np.empty((500, *reader.image_shape), np.uint8))
    assert batch is not None
    kept = batch.status != FrameStatus.DROPPED
    return FrameBatch(
        0,
        batch.images[kept],
        batch.time_s[kept],
        batch.hardware_counter_us[kept],
        batch.status[kept],
    )
