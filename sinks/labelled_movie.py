"""Write the movie with its poses drawn on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
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

from readers import FrameStatus
from sinks.base import PoseBatch, ResourceHolder
from sinks.files import whole_file
from sinks.overlay import Overlay, OverlayStyle, mark_missing_picture

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

# An mp4 counts time in whole ticks of a clock; a microsecond is as fine as cameras count. At the
# other end, the ticks of one frame period must fit into the 32 bits that an mp4 has for them.
MAX_TICKS_PER_SECOND = 1_000_000
MAX_FRAME_PERIOD_S = 600
SLOWEST_FRAME_RATE = Fraction(1, MAX_FRAME_PERIOD_S)
FASTEST_FRAME_RATE = Fraction(MAX_TICKS_PER_SECOND)


class LabelledMovieSink(ResourceHolder):
    """Draws each frame's poses on its picture and encodes the movie as mp4 (H.264, yuv420p).

    Every frame of the movie becomes one frame of the output, at a constant rate. A frame
    without a picture shows the last picture there was (black before the first), crossed out
    by `mark_missing_picture` and without dots. Pictures are drawn on in one buffer of the
    sink's own, never in the batch.

    H.264 in yuv420p needs even sizes: an odd width or height gets one more column or row, a
    copy of the last. Colours are converted and tagged as BT.709, limited range, at every size:
    its primaries are those of the sRGB screens that the pictures are meant for, while players
    left to guess go by the size of the frame, each in its own way.

    Memory does not depend on the length of the movie: the mp4 is written in fragments of a few
    hundred frames, each with an index of its own. (FFmpeg would keep an index of the whole until
    the end, about 70 bytes a frame.) At the end the file is written a second time to put a short
    table of the fragments in front, by which players find their way.

    Parameters
    ----------
    path
        The mp4 to write. It appears when the block ends without an exception.
    width, height
        Size of the frames in pixels, cropped where a crop was asked for.
    frame_rate
        Frames per second of the output, from 1/600 to a million. Kept exactly where its period
        is a whole number of ticks of a clock of at most a million ticks per second (that of
        30000/1001 is); otherwise the period becomes the nearest that is.
    body_parts
        All body parts of the model, in its order.
    style
        What to draw, and how.
    thread_count
        Threads of the encoder; 0 lets it choose, and the bytes of the movie depend on it. One
        keeps up with inference on a processor, from which more would only take time: on 2
        cores they cost up to a seventh more of it for each frame.

    Raises
    ------
    ValueError
        If the frame rate is out of range or the style does not fit the model.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        frame_rate: Fraction,
        body_parts: Sequence[str],
        style: OverlayStyle,
        thread_count: int = 1,
    ) -> None:
        if not SLOWEST_FRAME_RATE <= frame_rate <= FASTEST_FRAME_RATE:
            raise ValueError(
                f"frame rate must be from {SLOWEST_FRAME_RATE} to {FASTEST_FRAME_RATE} "
                f"frames per second, got {frame_rate}"
            )
        self._path = path
        self._frame_period_s = (1 / frame_rate).limit_denominator(MAX_TICKS_PER_SECOND)
        self._thread_count = thread_count
        self._overlay = Overlay(body_parts, style)
        self._keypoints_only = style.keypoints_only
        self._last_picture = np.zeros((height, width, 3), np.uint8)
        self._canvas = _Canvas(width, height)
        self._num_frames = 0
        self._container: OutputContainer
        self._stream: VideoStream

    def open(self, resources: ExitStack) -> None:
        """Open the file and the encoder."""
        partial = resources.enter_context(whole_file(self._path))
        self._container = resources.enter_context(_open_mp4(partial, self._frame_period_s))
        self._stream = resources.enter_context(self._open_encoder())

    def write(self, batch: PoseBatch) -> None:
        """Draw and encode the batch's frames."""
        picture = self._last_picture
        for image, status, poses in zip(
            batch.frames.images, batch.frames.status, batch.poses, strict=True
        ):
            has_picture = status == FrameStatus.DECODED
            if has_picture and not self._keypoints_only:
                picture = image
            self._draw(picture, poses, has_picture=has_picture)
            self._encode_canvas()
        # The batch's memory is used again, and the next batch may begin with a missing picture.
        self._last_picture[:] = picture

    def _draw(
        self, picture: NDArray[np.uint8], poses: NDArray[np.float64], *, has_picture: bool
    ) -> None:
        image = self._canvas.image
        image[:] = picture
        self._overlay.draw(image, poses)
        if not has_picture:
            mark_missing_picture(image)

    def _encode_canvas(self) -> None:
        frame = self._canvas.to_yuv420p()
        frame.time_base = self._frame_period_s
        frame.pts = self._num_frames
        self._num_frames += 1
        self._container.mux(self._stream.encode(frame))

    @contextmanager
    def _open_encoder(self) -> Iterator[VideoStream]:
        stream = self._container.add_stream(
            "libx264", rate=1 / self._frame_period_s, options=ENCODER_OPTIONS
        )
        stream.height, stream.width = self._canvas.padded_shape
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._frame_period_s
        context.thread_count = self._thread_count
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        self._container.start_encoding()
        yield stream
        self._container.mux(stream.encode(None))  # what it still holds; not after an error


@contextmanager
def _open_mp4(path: Path, frame_period_s: Fraction) -> Iterator[OutputContainer]:
    options = {
        # Fragments from key frame to key frame; `global_sidx` is the table in front. `delay_moov`
        # lets the header say that decoding begins two frames early: otherwise players count them.
        "movflags": "+frag_keyframe+default_base_moof+delay_moov+global_sidx",
        # The length of the movie is counted in this clock. FFmpeg's own counts milliseconds,
        # and players then leave out the last frames of a short movie of 3000 frames/s.
        "movie_timescale": str(frame_period_s.denominator),
    }
    container = av.open(str(path.absolute()), "w", format="mp4", options=options)
    try:
        yield container
    except BaseException:
        with suppress(av.FFmpegError):  # a full disk fails again here: report what failed first
            container.close()
        raise
    container.close()


class _Canvas:
    """One RGB buffer that frames are drawn on, shared with FFmpeg, padded to even sizes."""

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
