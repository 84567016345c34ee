"""The encoder of mp4 files, with the picture that it is given and the options that players need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    VideoReformatter,
)
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sinks.files import OutputFile, closed_at_end

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


class Canvas:
    """One RGB buffer that frames are drawn on, shared with FFmpeg, padded to even sizes.

    Attributes
    ----------
    image
        uint8, shape (height, width, 3), RGB: what is drawn on.
    padded_shape
        Height and width in pixels of what is encoded.
    """

    def __init__(self, width: int, height: int) -> None:
        self.padded_shape = (height + height % 2, width + width % 2)
        self._padded = np.zeros((*self.padded_shape, 3), np.uint8)
        self.image: NDArray[np.uint8] = self._padded[:height, :width]
        self._frame = av.VideoFrame.from_numpy_buffer(self._padded, "rgb24")
        self._reformatter = VideoReformatter()

    def to_yuv420p(self) -> av.VideoFrame:
        """Convert what is on the canvas now; the result does not change with the canvas."""
        height, width = self.image.shape[:2]
        self._padded[height:, :width] = self.image[-1:]
        self._padded[:, width:] = self._padded[:, width - 1 : width]
        return self._reformatter.reformat(
            self._frame,
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_primaries=ColorPrimaries.BT709,
            dst_color_trc=ColorTrc.BT709,
            threads=1,
        )


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


@dataclass(frozen=True)
class Encoding:
    """The encoding of pictures into an mp4 as H.264, one frame each period.

    Attributes
    ----------
    height, width
        Size of the pictures in pixels, both even.
    frame_period_s
        Seconds from frame to frame, a whole number of microseconds or of the ticks of a slower
        clock.
    thread_count
        Threads of the encoder; 0 lets it choose.
    """

    height: int
    width: int
    frame_period_s: Fraction
    thread_count: int

    @contextmanager
    def opened(
        self, path: Path, options: Mapping[str, str] | None = None
    ) -> Iterator[Callable[[av.VideoFrame], None]]:
        """Give a function that encodes the next frame, yuv420p, into a new mp4."""
        with open_mp4(path, self.frame_period_s, options) as container:
            stream: VideoStream = container.add_stream(
                "libx264", rate=1 / self.frame_period_s, options=ENCODER_OPTIONS
            )
            stream.height, stream.width = self.height, self.width
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.time_base = self.frame_period_s
            context.thread_count = self.thread_count
            context.color_range = ColorRange.MPEG
            context.colorspace = Colorspace.ITU709
            context.color_primaries = ColorPrimaries.BT709
            context.color_trc = ColorTrc.BT709
            container.start_encoding()
            numbers = count()

            def encode(frame: av.VideoFrame) -> None:
                frame.time_base = self.frame_period_s
                frame.pts = next(numbers)
                container.mux(stream.encode(frame))

            yield encode
            container.mux(stream.encode(None))  # what is held back; not after an error
