"""A movie that is written in closed segments, which are joined at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from sinks.base import ResourceHolder, at_success
from sinks.errors import OutputError, output_errors
from sinks.files import flush_folder, held_folder, whole_file
from sinks.labelled_movie.mp4 import FRAGMENTED, Encoder, open_mp4
from sinks.labelled_movie.segments import (
    SEGMENT_LENGTH,
    finished_lengths,
    is_sealed,
    make_folder,
    remove_folder,
    seal,
    segment,
    segments_dir,
)


class SegmentedMovie(ResourceHolder):
    """Encodes a movie in segments of `SEGMENT_LENGTH` frames, each with an encoder of its own.

    A segment is durable once its last frame was encoded, and stays if the block raises. At the
    end of the block the segments' packets are copied into one movie, without encoding them
    again, and the segments are removed. Where a segment begins depends on the frame's index
    alone, and an encoder knows nothing of the segments before: a movie that was begun in one
    block and goes on in another has the bytes of one that was written at once.

    Parameters
    ----------
    path
        The mp4 to write.
    height, width, frame_period_s, thread_count
        As in `Encoder`.
    joins
        Whether the segments become the movie at the end of the block; otherwise they all stay,
        the last one closed too, for another block.
    on_whole
        Given `path` when the movie is there and the segments are not yet removed.

    Attributes
    ----------
    num_finished_frames
        Frames that were in closed segments when the block began.

    Raises
    ------
    OutputError
        Of `path`, if anything cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        height: int,
        width: int,
        frame_period_s: Fraction,
        thread_count: int,
        joins: bool = True,
        on_whole: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._joins = joins
        self._on_whole = on_whole
        self._folder = segments_dir(path)
        self._height, self._width = height, width
        self._frame_period_s = frame_period_s
        self._thread_count = thread_count
        self._open_segment = ExitStack()
        self._encoder: Encoder
        self.num_finished_frames = 0
        self._num_frames = 0

    def open(self, resources: ExitStack) -> None:
        """Look for closed segments, and remove what is no good."""
        with output_errors(self._path):
            num_segments = num_frames = 0
            for length in finished_lengths(self._folder):
                num_segments += 1
                num_frames += length
            make_folder(self._folder, num_segments)
            flush_folder(self._folder.parent)
            self._check_folder = resources.enter_context(held_folder(self._folder))
        resources.enter_context(self._joined_at_success())
        self.num_finished_frames = self._num_frames = num_frames

    def encode(self, frame: av.VideoFrame) -> None:
        """Encode the next frame behind the finished ones, yuv420p.

        Raises
        ------
        ValueError
            If the finished frames end within a segment: they are a whole movie.
        """
        with output_errors(self._path):
            if self._num_frames % SEGMENT_LENGTH == 0:
                self._begin_segment()
            elif self._num_frames == self.num_finished_frames:
                raise ValueError(
                    f"{self._folder}: holds a whole movie of {self._num_frames} frames, "
                    "and was given more"
                )
            self._encoder.encode(frame)
            self._num_frames += 1
            if self._num_frames % SEGMENT_LENGTH == 0:
                self._open_segment.close()

    def _begin_segment(self) -> None:
        self._check_folder()
        path = segment(self._folder, self._num_frames // SEGMENT_LENGTH)
        with ExitStack() as resources:
            temporary = resources.enter_context(whole_file(path))
            resources.enter_context(at_success(lambda: self._seal(temporary)))
            self._encoder = resources.enter_context(self._open_encoder(temporary))
            self._open_segment = resources.pop_all()

    def _seal(self, path: Path) -> None:
        self._check_folder()
        seal(path)

    @contextmanager
    def _open_encoder(
        self, path: Path, options: Mapping[str, str] | None = None
    ) -> Iterator[Encoder]:
        with open_mp4(path, self._frame_period_s, options) as container:
            encoder = Encoder(
                container,
                height=self._height,
                width=self._width,
                frame_period_s=self._frame_period_s,
                thread_count=self._thread_count,
            )
            yield encoder
            encoder.finish()  # not after an error

    @contextmanager
    def _joined_at_success(self) -> Iterator[None]:
        try:
            yield
            with output_errors(self._path):
                self._open_segment.close()
                if self._joins:
                    self._check_folder()
                    self._join()
                    self._on_whole(self._path)
                    remove_folder(self._folder)
        except BaseException as error:
            with suppress(Exception):  # what failed first is what the user should read
                self._open_segment.__exit__(type(error), error, error.__traceback__)
            with suppress(OSError, OutputError):  # it holds closed segments, or is another's
                self._check_folder()
                self._folder.rmdir()
            raise

    def _join(self) -> None:
        num_segments = -(-self._num_frames // SEGMENT_LENGTH)
        segments = (self._sealed_segment(number) for number in range(num_segments))
        with whole_file(self._path) as temporary:
            if not self._num_frames:
                with self._open_encoder(temporary, FRAGMENTED):
                    return
            num_copied = join(segments, temporary, self._frame_period_s)
            if num_copied != self._num_frames:
                raise OutputError(
                    self._path, f"its segments hold {num_copied} of {self._num_frames} frames"
                )

    def _sealed_segment(self, number: int) -> Path:
        path = segment(self._folder, number)
        if not is_sealed(path):
            raise OutputError(self._path, f"others have changed {path.name} of its segments")
        return path


def join(segments: Iterable[Path], path: Path, frame_period_s: Fraction) -> int:
    """Copy the packets of segments one after the other into one mp4, and count them.

    The mp4 is written in fragments (see `LabelledMovieSink`), and one segment is open at a time:
    memory does not depend on how many there are.
    """
    stream: VideoStream | None = None
    num_frames = 0
    with open_mp4(path, frame_period_s, FRAGMENTED) as movie:
        for packet in _packets(segments):
            packet.time_base = frame_period_s
            if stream is None:
                stream = movie.add_stream_from_template(packet.stream)
                stream.time_base = frame_period_s
            packet.stream = stream
            movie.mux(packet)
            num_frames += 1
    return num_frames


def _packets(segments: Iterable[Path]) -> Iterator[av.Packet[VideoStream]]:
    """Yield packets in the order of decoding, with times in frames from the movie's beginning.

    Segments that were written for one frame rate can so be joined for another.
    """
    num_packets = 0
    num_held_back = 0
    for path in segments:
        first_frame_index = num_packets
        for packet, num_shown_before, num_held in _packets_of(path):
            if not num_packets:
                num_held_back = num_held
            packet.pts = first_frame_index + num_shown_before
            # An encoder of one or two frames holds none back: its times would leave a gap.
            packet.dts = num_packets - num_held_back
            packet.duration = 1
            num_packets += 1
            yield packet


def _packets_of(segment: Path) -> Iterator[tuple[av.Packet[VideoStream], int, int]]:
    """Yield packets, how many frames are shown before, and how many between decoding and showing.

    Of a segment's frames, each is shown for as long as the first.
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
