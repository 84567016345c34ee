"""Mp4 files of H.264: the encoder and its options, and what players need from the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from sinks.errors import closed_at_end
from sinks.output_file import OutputFile

# Measured on real recordings with dots drawn, RGB in to mp4 out: frames per second of processor
# time (one thread of a 2-core machine), KiB/frame, and PSNR in dB against the drawn frames (which
# conversion to yuv420p and back, without encoding, leaves at 46.1 and 48.6 dB):
#             crf    640 x 480 (clean)       1280 x 1024 (noisy)
#   ultrafast  25     349   1.33   42.8       86    5.5   39.9
#   superfast  25     271   1.03   42.8       49    9.2   39.6
#   veryfast   23     198   1.15   43.4       32   14.7   40.1
#   veryfast   25     238   0.84   42.8       43    6.1   39.4
#   veryfast   27     204   0.60   42.2       46    2.1   38.9
#   faster     25     107   1.14   43.2       24    8.8   39.6
#   medium     25      78   1.12   43.5       20    6.6   39.6
# Slower presets spend time and bits on camera noise. The reference tool's movies of the same
# recordings take 1.8 and 26 KiB/frame.
# With mbtree, the same frames gave other bytes from run to run on a processor with AVX-512
# (x264's code for it; widths that are no multiple of 128 px), though it halves noisy movies.
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
MAX_FRAME_PERIOD_S = 600
SLOWEST_FRAME_RATE = Fraction(1, MAX_FRAME_PERIOD_S)
FASTEST_FRAME_RATE = Fraction(MAX_TICKS_PER_SECOND)


@contextmanager
def open_mp4(
    path: Path, frame_period_s: Fraction, options: Mapping[str, str] | None = None
) -> Iterator[OutputContainer]:
    """Open an mp4 for writing; it is complete at the end of the block."""
    # The length of the movie is counted in this clock. FFmpeg's own counts milliseconds, and
    # players then leave out the last frames of a short movie of 3000 frames/s.
    clock = {"movie_timescale": str(frame_period_s.denominator)}
    file = OutputFile(path)
    with closed_at_end(file.close, path):
        container = av.open(file, "w", format="mp4", options=clock | dict(options or {}))
        with closed_at_end(container.close, path):
            yield container


class Encoder:
    """Encodes pictures into an mp4 as H.264, one frame each period.

    Parameters
    ----------
    container
        The mp4, open for writing, without any stream so far.
    height, width
        Size of the pictures in pixels, both even.
    frame_period_s
        Seconds from frame to frame, a whole number of microseconds or of the ticks of a slower
        clock.
    thread_count
        Threads of the encoder; 0 lets it choose.
    """

    def __init__(
        self,
        container: OutputContainer,
        *,
        height: int,
        width: int,
        frame_period_s: Fraction,
        thread_count: int,
    ) -> None:
        self._container = container
        self._frame_period_s = frame_period_s
        self._num_frames = 0
        self._stream: VideoStream = container.add_stream(
            "libx264", rate=1 / frame_period_s, options=ENCODER_OPTIONS
        )
        self._stream.height, self._stream.width = height, width
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = frame_period_s
        context.thread_count = thread_count
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        container.start_encoding()

    def encode(self, frame: av.VideoFrame) -> None:
        """Encode the next frame, yuv420p."""
        frame.time_base = self._frame_period_s
        frame.pts = self._num_frames
        self._num_frames += 1
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Encode what is still held back."""
        self._container.mux(self._stream.encode(None))
