"""A camera program: it writes a movie, frame by frame, to a file that others follow meanwhile.

    python -m benchmarks.recorder OUT.isxb --width 320 --height 256 --frame-rate 30 \
        --seconds 1800 --log times.bin

plays a walking mouse at real rate. A minute of it is painted and encoded beforehand and then
repeated, and OUT appears when the first frame is due: writing takes 1–2 % of a core. Into the
log go float64 numbers: for each frame the time.monotonic() at which the system had its last byte.
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Self, cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmarks.synthetic import MouseMovie
from benchmarks.synthetic.isxb import IsxbRecorder

Image = NDArray[np.uint8]

LOOP_S = 60
"""Seconds of the walk that are painted; they are repeated."""


@dataclass(frozen=True)
class EncodedPicture:
    """A compressed picture, as `Recorder.encode` gives it.

    Attributes
    ----------
    data
        What a decoder takes.
    is_key_frame
        Whether no other picture is needed to decode it.
    """

    data: bytes
    is_key_frame: bool


class Recorder(ABC):
    """Writes a movie as its frames come; leaving its context closes it.

    Attributes
    ----------
    num_frames
        Frames so far, dropped ones included.
    lag
        How many frames are in the muxer and not yet in the file when `write` returns.
    """

    def __init__(self, lag: int) -> None:
        self.num_frames = 0
        self.lag = lag
        self.is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        self.close()

    @property
    def num_in_file(self) -> int:
        """Number of the first frames that the system has to their last byte."""
        return self.num_frames if self.is_closed else max(0, self.num_frames - self.lag)

    @abstractmethod
    def encode(self, image: Image) -> EncodedPicture:
        """Compress a picture: uint8, (height, width, 3), RGB.

        What begins with a key frame may be written again and again, in its order.
        """

    def write(self, picture: Image | EncodedPicture) -> None:
        """Record the next frame: the system has its bytes, or those of the frame `lag` before."""
        encoded = picture if isinstance(picture, EncodedPicture) else self.encode(picture)
        self._write(encoded)
        self.num_frames += 1

    def drop(self) -> None:
        """Lose a frame.

        Raises
        ------
        ValueError
            If files of this kind do not tell of lost frames.
        """
        raise ValueError("only an .isxb tells of frames that were lost")

    def close(self) -> None:
        """Finish the file as a recorder does; repeatedly."""
        if not self.is_closed:
            self._close()
            self.is_closed = True

    @abstractmethod
    def _write(self, picture: EncodedPicture) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


class _IsxbFile(Recorder):
    def __init__(self, path: Path, width: int, height: int, frame_rate: Fraction) -> None:
        super().__init__(lag=0)
        self._file = IsxbRecorder(path, width, height, frame_rate)

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        if error_type is not None:
            self._file.abandon()
            self.is_closed = True
        self.close()

    def encode(self, image: Image) -> EncodedPicture:
        return EncodedPicture(self._file.encode(image), is_key_frame=True)

    def drop(self) -> None:
        self._file.drop()
        self.num_frames += 1

    def _write(self, picture: EncodedPicture) -> None:
        self._file.write(picture.data)

    def _close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class _Kind:
    """The options by which FFmpeg writes frames into a kind of file as early as it can."""

    codecs: tuple[str, ...]
    lag: int
    options: dict[str, str]


_KINDS = {
    ".avi": _Kind(("mjpeg",), 0, {}),
    ".mp4": _Kind(
        ("h264", "mjpeg"), 1, {"movflags": "empty_moov+default_base_moof+frag_every_frame"}
    ),
    # A cluster for each frame: one of many frames would be held back until it is whole.
    ".mkv": _Kind(("h264", "mjpeg"), 1, {"cluster_time_limit": "0"}),
    # The length of a frame is told before it: else only the next one would tell that it is whole.
    ".ts": _Kind(("h264",), 0, {"omit_video_pes_length": "0"}),
}
_CODECS = {
    "h264": ("libx264", "yuv420p", {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}),
    "mjpeg": ("mjpeg", "yuvj420p", {"qmin": "3", "qmax": "3"}),
}


class _ContainerFile(Recorder):
    def __init__(
        self, path: Path, width: int, height: int, frame_rate: Fraction, kind: _Kind, codec: str
    ) -> None:
        super().__init__(kind.lag)
        self._period_s = 1 / frame_rate
        self._container = av.open(str(path), "w", options={"flush_packets": "1", **kind.options})
        encoder, pixel_format, options = _CODECS[codec]
        options = options | {"g": str(round(frame_rate))}  # a key frame each second
        stream = self._container.add_stream(encoder, rate=frame_rate, options=options)
        self._stream = cast(VideoStream, stream)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = pixel_format
        self._stream.codec_context.thread_count = 1
        self._container.start_encoding()
        self._num_encoded = 0

    def encode(self, image: Image) -> EncodedPicture:
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = self._num_encoded, self._period_s
        self._num_encoded += 1
        (packet,) = self._stream.encode(frame)
        return EncodedPicture(bytes(packet), packet.is_keyframe)

    def _write(self, picture: EncodedPicture) -> None:
        packet = av.Packet(picture.data)
        packet.stream = self._stream
        packet.time_base = self._period_s
        packet.pts = packet.dts = self.num_frames
        packet.duration = 1
        packet.is_keyframe = picture.is_key_frame
        self._container.mux_one(packet)

    def _close(self) -> None:
        self._container.close()


def open_recorder(
    path: Path,
    width: int,
    height: int,
    frame_rate: float | Fraction,
    *,
    codec: str | None = None,
) -> Recorder:
    """Begin a recording of the kind that the suffix of its file names.

    Its header is in the file at once. A frame's bytes are in the file when `Recorder.write`
    returns, or, where the muxer waits for the next frame to tell how long one lasts, when the next
    one was written:

    ========  ===========  ===========================  =============================
    suffix    codecs       frames that the file lags    written only when closed
    ========  ===========  ===========================  =============================
    .isxb     mjpeg        0                            header, JSON on the frames
    .avi      mjpeg        0                            RIFF sizes, idx1
    .mp4      h264, mjpeg  1 (a fragment per frame)     mfra
    .mkv      h264, mjpeg  1 (a cluster per frame)      segment size, duration, cues
    .ts       h264         0                            nothing
    ========  ===========  ===========================  =============================

    Without the options used here FFmpeg holds back all since the last key frame of .mp4 and .mkv,
    and up to 32 KiB of any of them.

    Parameters
    ----------
    path
        The file; .isxb, .avi, .mp4 (fragmented), .mkv or .ts.
    width, height
        Size of the pictures in pixels, even for H.264.
    frame_rate
        Frames per second.
    codec
        ``h264`` or ``mjpeg``; None for the first one of the table.

    Raises
    ------
    ValueError
        If files of the kind are not written, or not with the codec.
    """
    rate = Fraction(frame_rate).limit_denominator(1_000_000)
    if path.suffix == ".isxb" and codec in (None, "mjpeg"):
        return _IsxbFile(path, width, height, rate)
    kind = _KINDS.get(path.suffix)
    if kind is None or codec not in (None, *kind.codecs):
        allowed = {".isxb": ("mjpeg",)} | {suffix: kind.codecs for suffix, kind in _KINDS.items()}
        raise ValueError(f"{path.name}, codec {codec}: allowed are {allowed}")
    return _ContainerFile(path, width, height, rate, kind, codec or kind.codecs[0])


def play(
    recorder: Recorder,
    pictures: Iterable[Image | EncodedPicture],
    frame_rate: float | Fraction,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[float]:
    """Record pictures at their rate, and yield when the system had the last byte of each frame.

    Frame i is due i periods after the first one, however late others were. The last `lag` frames
    have no time yet: they are in the file when the recorder is closed, which is up to the caller.

    Parameters
    ----------
    recorder
        Where to.
    pictures
        Images, or what the recorder has made of them beforehand.
    frame_rate
        Frames per second.
    clock, wait
        Tell the time in seconds, and let so many seconds pass.

    Yields
    ------
    float
        By `clock`, in order of the frames.
    """
    begun_s = clock()
    num_told = recorder.num_in_file
    for index, picture in enumerate(pictures):
        early_s = begun_s + float(index / frame_rate) - clock()
        if early_s > 0:
            wait(early_s)
        recorder.write(picture)
        for _ in range(recorder.num_in_file - num_told):
            yield clock()
        num_told = recorder.num_in_file


def encoded_walk(
    suffix: str,
    width: int,
    height: int,
    frame_rate: float | Fraction,
    num_frames: int,
    *,
    codec: str | None = None,
) -> list[EncodedPicture]:
    """Paint a walking mouse in infrared light, and compress it for recorders of that kind."""
    walk = MouseMovie(0, width, height, frame_rate, num_frames, "infrared")
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory, f"scratch{suffix}")
        with open_recorder(scratch, width, height, frame_rate, codec=codec) as recorder:
            pictures = []
            for image in walk.images():
                pictures.append(recorder.encode(image))
                recorder.write(pictures[-1])
            return pictures


def record(options: argparse.Namespace) -> dict[str, float]:
    """Record as the command line says; tell how many frames, and what it took to write them."""
    rate = Fraction(options.frame_rate).limit_denominator(1_000_000)
    size = options.width, options.height
    num_frames = round(options.seconds * rate)
    num_painted = min(num_frames, round(LOOP_S * rate))
    loop = encoded_walk(options.out.suffix, *size, rate, num_painted, codec=options.codec)
    before_s, before_core_s = time.monotonic(), time.process_time()
    with options.log.open("wb") as log:
        recorder = open_recorder(options.out, *size, rate, codec=options.codec)
        with recorder:
            for time_s in play(recorder, islice(cycle(loop), num_frames), rate):
                log.write(struct.pack("<d", time_s))
        held_back = min(recorder.lag, num_frames)
        log.write(struct.pack("<d", time.monotonic()) * held_back)
    wall_s = time.monotonic() - before_s
    core_s = time.process_time() - before_core_s
    return {"num_frames": num_frames, "wall_s": wall_s, "core_s": core_s}


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    print(json.dumps(record(_parser().parse_args(arguments))))  # noqa: T201 -- for the user


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recorder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help=".isxb, .avi, .mp4, .mkv or .ts")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--frame-rate", type=Fraction, default=Fraction(30))
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--codec", choices=("h264", "mjpeg"), help="default: the container's first")
    parser.add_argument("--log", type=Path, required=True, help="file for the times")
    return parser


if __name__ == "__main__":
    main()
