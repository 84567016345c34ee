"""A movie that is written in closed segments, which are joined at the end."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import av.error
from av.video.stream import VideoStream

from sinks.base import ResourceHolder, at_success
from sinks.files import OutputError, flush_folder, held_folder, output_errors, remove, whole_file
from sinks.labelled_movie.mp4 import FRAGMENTED, Encoding, open_mp4

SEGMENT_LENGTH = 1000
"""Frames of a segment, a multiple of the 250 between x264's key frames; the last may have fewer."""

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


class SegmentedMovie(ResourceHolder):
    """Encodes a movie in segments of `SEGMENT_LENGTH` frames, each with an encoder of its own.

    A segment is durable once its last frame was encoded, and stays if the block raises. At the
    end of the block the segments' packets are copied into one movie, without encoding them
    again, and the segments are removed. A segment depends on its own frames alone: a movie that
    was begun in one block and goes on in another has the bytes of one that was written at once.

    Parameters
    ----------
    path
        The mp4 to write.
    encoding
        The encoding of each segment.
    joins, on_whole
        As in `LabelledMovieSink`.

    Attributes
    ----------
    num_finished_frames
        Frames that were in closed segments when the block began.

    Raises
    ------
    OutputError
        If anything cannot be written; it names `path`.
    """

    def __init__(
        self,
        path: Path,
        encoding: Encoding,
        *,
        joins: bool = True,
        on_whole: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self._path, self._folder = path, segments_dir(path)
        self._joins, self._on_whole = joins, on_whole
        self._encoding = encoding
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
        resources.enter_context(self._open_segment)
        self.num_finished_frames = self._num_frames = sum(lengths)

    def encode(self, frame: av.VideoFrame) -> None:
        """Encode the next frame behind the finished ones, yuv420p.

        Raises
        ------
        ValueError
            If the finished frames end within a segment: they are a whole movie.
        """
        with output_errors(self._path):
            if self._num_frames % SEGMENT_LENGTH == 0:
                self._check_folder()
                path = segment_path(self._folder, self._num_frames // SEGMENT_LENGTH)
                enter = self._open_segment.enter_context
                temporary = enter(whole_file(path))
                enter(at_success(lambda: seal(temporary)))
                enter(at_success(self._check_folder))
                self._encode = enter(self._encoding.opened(temporary))
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
                    with self._encoding.opened(temporary, FRAGMENTED):
                        num_copied = 0
                else:
                    num_copied = join(segments, temporary, self._encoding.frame_period_s)
                if num_copied != self._num_frames:
                    raise OutputError(
                        self._path, f"its segments hold {num_copied} of {self._num_frames} frames"
                    )
            self._on_whole(self._path)
            for path in sorted(self._folder.iterdir(), reverse=True):
                path.unlink()  # the last first: what is left is a beginning
            self._folder.rmdir()

    def _clean(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
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
    can be joined for another.

    Raises
    ------
    OutputError
        If a segment is not as it was closed.
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
