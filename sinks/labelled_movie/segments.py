"""A movie that is encoded in closed segments, which are joined at the end."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from sinks.base import ResourceHolder, at_success
from sinks.files import (
    OutputError,
    OutputFile,
    closed_at_end,
    flush_folder,
    held_folder,
    output_errors,
    remove,
    whole_file,
)

SEGMENT_LENGTH = 1000
"""Frames of a segment, a multiple of the 250 between x264's key frames; the last may have fewer."""

# Measured on real recordings with dots drawn, RGB in to mp4 out: frames per second of processor
# time (one thread of a 2-core machine), KiB/frame, and PSNR in dB against the drawn frames (which
# conversion to yuv420p and back, without encoding, leaves at 46.1 and 48.6 dB):
#             crf    640 x 480 (clean)       1280 x 1024 (noisy)
#   ultrafast  25     349   1.33   42.8       86    5.5   39.9
#   veryfast   23     198   1.15   43.4       32   14.7   40.1
#   veryfast   25     238   0.84   42.8       43    6.1   39.4
#   veryfast   27     204   0.60   42.2       46    2.1   38.9
#   medium     25      78   1.12   43.5       20    6.6   39.6
# The reference tool's movies of the same recordings take 1.8 and 26 KiB/frame. With mbtree, the
# same frames gave other bytes from run to run on a processor with AVX-512 (x264's code for it;
# widths that are no multiple of 128 px), though it halves noisy movies.
ENCODER_OPTIONS = {"preset": "veryfast", "crf": "25", "mbtree": "0"}

# Fragments from key frame to key frame; `global_sidx` is the table in front. `delay_moov` lets
# the header say that decoding begins two frames early: otherwise players count them.
# Without `write_btrt=0` the bit rate of the first segment would stand for the whole movie.
FRAGMENTED = {
    "movflags": "+frag_keyframe+default_base_moof+delay_moov+global_sidx",
    "write_btrt": "0",
}

# An mp4 counts time in whole ticks of a clock; a microsecond is as fine as cameras count. At the
# other end, the ticks of one frame period must fit into the 32 bits that an mp4 has for them.
MAX_TICKS_PER_SECOND = 1_000_000
SLOWEST_FRAME_RATE = Fraction(1, 600)
FASTEST_FRAME_RATE = Fraction(MAX_TICKS_PER_SECOND)
_SEAL_HEADER = b"\0\0\0\x28free"
"""Length (40 bytes) and kind of the last box, which players skip (ISO/IEC 14496-12)."""
_SEAL_LENGTH = 40
_CHUNK_BYTES = 2**20
_NAME = re.compile(r"([0-9]{6}|[1-9][0-9]{6,})\.mp4")
"""Name of a segment."""


def segments_dir(path: Path) -> Path:
    """Folder of the segments of the movie `path` while it is written."""
    return path.parent / f".{path.stem}.segments"


def segment_path(folder: Path, number: int) -> Path:
    """Path of a segment, counted from 0."""
    return folder / f"{number:06}.mp4"


def num_finished_frames(path: Path) -> int:
    """Count the frames of the movie `path` that are in closed segments; nothing is changed.

    From these a `LabelledMovieSink` of the same path goes on. A segment that is not as it was
    closed, or not as long as its place demands, ends the count: it and those behind it will be
    written again. Links are never followed.
    """
    return sum(finished_lengths(segments_dir(path)))


def keep_segments(path: Path, num_frames: int) -> None:
    """Remove those segments of the movie `path` that do not lie wholly within its first frames."""
    folder = segments_dir(path)
    first_removed = segment_path(folder, num_frames // SEGMENT_LENGTH)
    for found in sorted(folder.glob("*.mp4"), reverse=True):
        if found >= first_removed:
            found.unlink()


def seal(path: Path) -> None:
    """Close a segment: its last box is a checksum, by which it is known to be as it was written."""
    with path.open("rb+") as file:
        file.write(_SEAL_HEADER + hashlib.file_digest(file, "sha256").digest())


def is_sealed(path: Path) -> bool:
    """Tell whether a segment is as it was when it was closed."""
    num_bytes = path.stat().st_size - _SEAL_LENGTH
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        for start in range(0, num_bytes, _CHUNK_BYTES):
            checksum.update(file.read(min(_CHUNK_BYTES, num_bytes - start)))
        return num_bytes > 0 and _SEAL_HEADER + checksum.digest() == file.read()


@contextmanager
def open_mp4(
    path: Path, frame_period_s: Fraction, options: Mapping[str, str] = {}
) -> Iterator[OutputContainer]:
    """Open an mp4 for writing; it is complete at the end of the block."""
    # The length of the movie is counted in this clock. FFmpeg's own counts milliseconds, and
    # players then leave out the last frames of a short movie of 3000 frames/s.
    clock = {"movie_timescale": str(frame_period_s.denominator)}
    file = OutputFile(path)
    with closed_at_end(file.close, path):
        container = av.open(file, "w", format="mp4", options=clock | dict(options))
        with closed_at_end(container.close, path):
            yield container


@contextmanager
def encoder(
    path: Path, shape: tuple[int, int], frame_period_s: Fraction, options: Mapping[str, str] = {}
) -> Iterator[Callable[[av.VideoFrame], None]]:
    """Give a function that encodes the next frame into a new mp4 as H.264, one each period.

    Frames are yuv420p, of a height and width in pixels that are even. The period is a whole number
    of microseconds or of the ticks of a slower clock.
    """
    with open_mp4(path, frame_period_s, options) as container:
        stream: VideoStream = container.add_stream(
            "libx264", rate=1 / frame_period_s, options=ENCODER_OPTIONS
        )
        stream.height, stream.width = shape
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = frame_period_s
        # On it the bytes depend. One thread keeps up with inference on a processor, from which
        # more would only take time.
        context.thread_count = 1
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        container.start_encoding()
        numbers = count()

        def encode(frame: av.VideoFrame) -> None:
            frame.time_base = frame_period_s
            frame.pts = next(numbers)
            container.mux(stream.encode(frame))

        yield encode
        container.mux(stream.encode(None))  # what is held back; not after an error


class SegmentedMovie(ResourceHolder):
    """Encodes a movie in segments of `SEGMENT_LENGTH` frames, each with an encoder of its own.

    A segment is durable once its last frame was encoded, and stays if the block raises. At the
    end of the block the segments' packets are copied into one movie, without encoding them
    again, and the segments are removed. A segment depends on its own frames alone: a movie that
    was begun in one block and goes on in another has the bytes of one that was written at once.
    `num_finished_frames` were in closed segments when the block began.

    `OutputError`, which names `path`, if anything cannot be written. The parameters are those of
    `LabelledMovieSink` and of the `encoder` of each segment.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int],
        frame_period_s: Fraction,
        *,
        joins: bool,
        on_whole: Callable[[Path], None],
    ) -> None:
        self._path, self._folder = path, segments_dir(path)
        self._joins, self._on_whole = joins, on_whole
        self._shape, self._frame_period_s = shape, frame_period_s
        self._open_segment = ExitStack()
        self._encode: Callable[[av.VideoFrame], None]
        self.num_finished_frames = 0
        self._num_frames = 0

    def open(self, resources: ExitStack) -> None:
        """Look for closed segments, and remove other files."""
        with output_errors(self._path):
            lengths = list(finished_lengths(self._folder))
            if self._folder.is_symlink() or not self._folder.is_dir():
                self._folder.unlink(missing_ok=True)
                self._folder.mkdir()
            for path in self._folder.iterdir():
                if not (_NAME.fullmatch(path.name) and int(path.stem) < len(lengths)):
                    remove(path)
            flush_folder(self._folder.parent)
            self._check_folder = resources.enter_context(held_folder(self._folder))
        resources.push(self._clean)
        self.num_finished_frames = self._num_frames = sum(lengths)

    def encode(self, frame: av.VideoFrame) -> None:
        """Encode the next frame behind the finished ones, yuv420p.

        `ValueError` if the finished frames end within a segment: they are a whole movie.
        """
        with output_errors(self._path):
            if self._num_frames % SEGMENT_LENGTH == 0:
                self._check_folder()
                path = segment_path(self._folder, self._num_frames // SEGMENT_LENGTH)
                enter = self._open_segment.enter_context
                temporary = enter(whole_file(path))
                enter(at_success(lambda: seal(temporary)))
                enter(at_success(self._check_folder))
                self._encode = enter(encoder(temporary, self._shape, self._frame_period_s))
            elif self._num_frames == self.num_finished_frames:
                raise ValueError(
                    f"{self._folder}: holds a whole movie of {self._num_frames} frames, "
                    "and was given more"
                )
            self._encode(frame)
            self._num_frames += 1
            if self._num_frames % SEGMENT_LENGTH == 0:
                self._open_segment.close()

    def finish(self) -> None:
        """Close the last segment, and join and remove all of them."""
        with output_errors(self._path):
            self._open_segment.close()
            if not self._joins:
                return
            self._check_folder()
            numbers = range(-(-self._num_frames // SEGMENT_LENGTH))
            segments = (segment_path(self._folder, number) for number in numbers)
            with whole_file(self._path) as temporary:
                if not numbers:
                    with encoder(temporary, self._shape, self._frame_period_s, FRAGMENTED):
                        num_copied = 0
                else:
                    num_copied = join(segments, temporary, self._frame_period_s)
                if num_copied != self._num_frames:
                    raise OutputError(
                        self._path, f"its segments hold {num_copied} of {self._num_frames} frames"
                    )
            self._on_whole(self._path)
            for path in sorted(self._folder.iterdir(), reverse=True):
                path.unlink()  # the last first: what is left is a beginning
            self._folder.rmdir()

    def _clean(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is not None:
            with suppress(Exception):  # what failed first is what the user should read
                self._open_segment.__exit__(kind, *error)
            with suppress(OSError, OutputError):  # it holds closed segments, or is another's
                self._check_folder()
                self._folder.rmdir()


def finished_lengths(folder: Path) -> Iterator[int]:
    """Yield the number of frames of each segment that is there, from the first to a gap."""
    if folder.is_symlink():
        return
    for number in count():
        path, length = segment_path(folder, number), 0
        with suppress(OSError, av.error.FFmpegError, IndexError):
            if stat.S_ISREG(path.lstat().st_mode) and is_sealed(path):
                with av.open(str(path.absolute()), format="mp4") as container:
                    length = container.streams.video[0].frames
        is_last = not segment_path(folder, number + 1).exists()
        if length == SEGMENT_LENGTH or (is_last and 0 < length < SEGMENT_LENGTH):
            yield length
        if length != SEGMENT_LENGTH:
            return


def join(segments: Iterable[Path], path: Path, frame_period_s: Fraction) -> int:
    """Copy the packets of segments one after the other into one mp4, and count them.

    The mp4 is written in fragments (see `LabelledMovieSink`), and one segment is open at a time:
    memory does not depend on how many there are. Segments that were written for one frame rate
    can be joined for another. `OutputError` if a segment is not as it was closed.
    """
    stream: VideoStream | None = None
    num_packets = num_held_back = 0
    with open_mp4(path, frame_period_s, FRAGMENTED) as movie:
        for segment in segments:
            if not is_sealed(segment):
                raise OutputError(path, f"others have changed {segment.name} of its segments")
            first_frame_index = num_packets
            for packet, num_shown_before, num_held in _packets_of(segment):
                if stream is None:
                    stream = movie.add_stream_from_template(packet.stream)
                    stream.time_base = frame_period_s
                    num_held_back = num_held
                packet.stream, packet.time_base = stream, frame_period_s
                packet.pts = first_frame_index + num_shown_before
                # An encoder of one or two frames holds none back: its times would leave a gap.
                packet.dts = num_packets - num_held_back
                packet.duration = 1
                movie.mux(packet)
                num_packets += 1
    return num_packets


def _packets_of(segment: Path) -> Iterator[tuple[av.Packet[VideoStream], int, int]]:
    """Yield packets, how many frames are shown before, and how many between decoding and showing.

    All frames of a segment are shown for as long as the first.
    """
    # Times as they are stored: the edit list, which moves them to 0, can also hide frames.
    options = {"ignore_editlist": "1"}
    with av.open(str(segment.absolute()), format="mp4", options=options) as container:
        first_pts: int | None = None
        period = 1
        for packet in container.demux(container.streams.video[0]):
            if packet.pts is None or packet.dts is None:
                continue  # the empty one that says that the file has ended
            if first_pts is None:
                first_pts, period = packet.pts, packet.duration or period
            num_shown_before = round((packet.pts - first_pts) / period)
            yield packet, num_shown_before, round((packet.pts - packet.dts) / period)
