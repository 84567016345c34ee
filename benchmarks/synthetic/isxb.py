"""Write Inscopix nVision movies (.isxb), as the recorder does.

A header of twelve 64-bit integers, JPEG pictures back to back, one JSON object about the frames,
and one about the session.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise, repeat
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, Self

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

FILE_VERSION = 100
HEADER = struct.Struct("<12q")
CAMERA = "camera-1"
JITTER_US = 40

TrackerBox = tuple[float, float, float, float, float]


def write_isxb(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    frame_rate: float | Fraction,
    *,
    dropped: Collection[int] = (),
    tracker_boxes: Iterable[TrackerBox] | None = None,
    start_time_ms: int = 1_700_000_000_000,
    utc_offset_min: int = 0,
    first_frame_count: int = 0,
    first_counter_us: int = 247_903_537_725,
    grey: bool = True,
    quality: int = 3,
    timing_in_session: bool = True,
) -> int:
    """Write a recording and return its number of frames, dropped ones included.

    Counters advance by the frame period and jitter by up to 40 us, always in the same way.

    Parameters
    ----------
    path
        The file to write.
    images
        uint8, shape (height, width, 3), RGB: one for every frame, also for those to be dropped.
    frame_rate
        Frames per second.
    dropped
        Indices, from 0, of frames that the recorder lost: counted, without picture or counter.
    tracker_boxes
        For every frame left, top, right and bottom in pixels and confidence, as files of newer
        recorders carry.
    start_time_ms
        Start of the recording in milliseconds since 1970-01-01 UTC.
    utc_offset_min
        Local time minus UTC, in minutes.
    first_frame_count
        The recorder's count of the first frame (``fc``).
    first_counter_us
        Its hardware counter in microseconds (``tsc``).
    grey
        Write the first channel as grey pictures; False writes colour.
    quality
        JPEG quantiser: 2 is nearly lossless, 31 the coarsest.
    timing_in_session
        False leaves ``timingInfo`` and ``spacingInfo`` out, as files of older recorders do.

    Raises
    ------
    ValueError
        If no frame is recorded.
    """
    boxes = repeat(None) if tracker_boxes is None else tracker_boxes
    remaining = iter(images)
    first = next(remaining, None)
    if first is None:
        raise ValueError("a recording needs at least one picture, got none")
    height, width = first.shape[:2]
    frames = zip(chain([first], remaining), boxes, strict=tracker_boxes is not None)
    with IsxbRecorder(
        path,
        width,
        height,
        frame_rate,
        start_time_ms=start_time_ms,
        utc_offset_min=utc_offset_min,
        first_frame_count=first_frame_count,
        first_counter_us=first_counter_us,
        grey=grey,
        quality=quality,
        timing_in_session=timing_in_session,
    ) as recorder:
        for index, (image, box) in enumerate(frames):
            if index in dropped:
                recorder.drop()
            else:
                recorder.write(recorder.encode(image), box)
    return recorder.num_frames


class IsxbRecorder:
    """Writes a recording as its frames come: the header is blank until it is closed.

    A context manager, which closes the recording; after an error it leaves it unfinished, as a
    recorder does that lost its power. Parameters are those of `write_isxb`, and
    the size of the pictures in pixels.

    Attributes
    ----------
    num_frames
        Frames so far, dropped ones included.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        frame_rate: float | Fraction,
        *,
        start_time_ms: int = 1_700_000_000_000,
        utc_offset_min: int = 0,
        first_frame_count: int = 0,
        first_counter_us: int = 247_903_537_725,
        grey: bool = True,
        quality: int = 3,
        timing_in_session: bool = True,
    ) -> None:
        rate = Fraction(frame_rate).limit_denominator(1_000_000)
        self._clock = _Clock(rate, first_frame_count, first_counter_us)
        self._encoder = _JpegEncoder(quality=quality, grey=grey)
        self._start_time_ms, self._utc_offset_min = start_time_ms, utc_offset_min
        self._timing_in_session = timing_in_session
        self._dropped: list[int] = []
        self._width, self._height = width, height
        self.num_frames = 0
        self._resources = ExitStack()
        self._file = self._resources.enter_context(path.open("wb"))
        # Samples wait in a temporary file: those of a day would not fit in memory.
        samples = SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 -- closed with the recorder
        self._samples = self._resources.enter_context(samples)
        self._file.write(bytes(HEADER.size))
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        if error_type is None:
            self.close()
        else:
            self.abandon()

    def encode(self, image: NDArray[np.uint8]) -> bytes:
        """Make a JPEG of a picture: uint8, (height, width, 3), RGB, all of one size."""
        return self._encoder.encode(image)

    def write(self, jpeg: bytes, box: TrackerBox | None = None) -> None:
        """Record a frame; all its bytes are handed to the system.

        Parameters
        ----------
        jpeg
            What `encode` gave, here or of another recorder; any number of times.
        box
            As one of the `tracker_boxes` of `write_isxb`.
        """
        self._file.write(jpeg)
        self._file.flush()
        sample = self._clock.sample(self.num_frames)
        if box is not None:
            sample["tracker"] = {"box": [float(side) for side in box[:4]], "conf": float(box[4])}
        self._samples.write((b"," if self._samples.tell() else b"") + _json(sample))
        self.num_frames += 1

    def drop(self) -> None:
        """Lose a frame: it is counted, and has neither picture nor counter."""
        self._dropped.append(self.num_frames)
        self.num_frames += 1

    def close(self) -> None:
        """Write what is told of the frames and of the session, and the header; once is enough.

        Raises
        ------
        ValueError
            If no frame was recorded.
        """
        with self._resources:
            if not self._file.closed:
                self._finish()

    def abandon(self) -> None:
        """Leave the file unfinished."""
        self._resources.close()

    def _finish(self) -> None:
        file, num_dropped = self._file, len(self._dropped)
        if num_dropped == self.num_frames:
            raise ValueError(
                f"a recording needs at least one picture, got {num_dropped} dropped frames"
            )
        video_end = file.tell()
        # isx takes these for indices, whatever the first frame count is.
        file.write(b'{"droppedFrames":' + _json(self._dropped) + b',"samples":[')
        self._samples.seek(0)
        shutil.copyfileobj(self._samples, file)
        file.write(b"]}")
        frames_end = file.tell()
        file.write(_json(self._session()))
        session_end = file.tell()
        counts = (self.num_frames - num_dropped, num_dropped)
        parts = (HEADER.size, video_end, frames_end, session_end)
        places = [n for start, end in pairwise(parts) for n in (start, end - start)]
        start = (FILE_VERSION, HEADER.size, self._start_time_ms, self._utc_offset_min)
        file.seek(0)
        file.write(HEADER.pack(*start, *counts, *places))

    def _session(self) -> dict[str, Any]:
        rate = self._clock.frame_rate
        session = _session(self._height, self._width, float(rate))
        if not self._timing_in_session:
            del session["spacingInfo"]
            return session
        session["timingInfo"] = {
            "blank": [],
            "cropped": [],
            "dropped": self._dropped,
            "numTimes": self.num_frames,
            "period": {"den": rate.numerator, "num": rate.denominator},
            "start": {
                "secsSinceEpoch": {"den": 1000, "num": self._start_time_ms},
                "utcOffset": 60 * self._utc_offset_min,  # minutes in the header, seconds here
            },
        }
        return session


@dataclass(frozen=True)
class _Clock:
    """The recorder's counters."""

    frame_rate: Fraction
    first_frame_count: int
    first_counter_us: int

    def sample(self, index: int) -> dict[str, Any]:
        """Count and hardware counter of a frame; the first one is the reference for the rest."""
        jitter = np.random.default_rng((self.first_frame_count, index))
        late_us = int(jitter.integers(-JITTER_US, JITTER_US + 1)) if index else 0
        due_us = round(index * 1_000_000 / self.frame_rate)
        return {
            "fc": self.first_frame_count + index,
            "tsc": self.first_counter_us + due_us + late_us,
        }


class _JpegEncoder:
    """Pictures to JPEG, full range, as the recorder writes them."""

    def __init__(self, *, quality: int, grey: bool) -> None:
        self._grey = grey
        self._count = 0
        context = VideoCodecContext.create("mjpeg", "w")
        context.pix_fmt = "yuvj420p"
        context.time_base = Fraction(1, 25)
        context.options = {"qmin": str(quality), "qmax": str(quality)}
        self._context = context

    def encode(self, image: NDArray[np.uint8]) -> bytes:
        if self._count == 0:
            self._context.height, self._context.width = image.shape[:2]
        frame = self._grey_frame(image) if self._grey else self._color_frame(image)
        frame.pts = self._count
        self._count += 1
        return b"".join(bytes(packet) for packet in self._context.encode(frame))

    def _grey_frame(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        """Take the first channel, untouched, as the Y plane."""
        height, width = image.shape[:2]
        frame = av.VideoFrame(width, height, "yuvj420p")
        luma, *chroma = frame.planes
        rows = np.zeros((height, luma.line_size), dtype=np.uint8)
        rows[:, :width] = image[..., 0]
        luma.update(rows.tobytes())
        for plane in chroma:
            plane.update(bytes([128]) * plane.buffer_size)
        return frame

    def _color_frame(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        return frame.reformat(format="yuvj420p", dst_color_range="JPEG", dst_colorspace="ITU601")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _session(height: int, width: int, frame_rate: float) -> dict[str, Any]:
    """Say what the recorder says of camera and animal, as far as readers look at it."""
    field_of_view = {"height": height, "originx": 0, "originy": 0, "width": width}
    one_third = {"den": 1, "num": 3}
    zero = {"den": 1, "num": 0}
    camera = {
        "cameraAlias": "",
        "cameraFrameFormat": "jpeg",
        "cameraSerial": "",
        "cameraType": "usb",
        "enabled": True,
        "recordFov": field_of_view,
        "sensorParams": {
            "brightness": 0,
            "contrast": 32,
            "gain": 0,
            "saturation": 0,
            "sensorFov": {"fps": frame_rate, **field_of_view},
        },
    }
    animal = {"description": "", "dob": "", "id": "", "sex": "m", "species": "", "weight": 0}
    return {
        "cameraName": CAMERA,
        "processingInterface": {
            CAMERA: camera,
            "fileFormat": {"container": "mjpeg", "encoding": "jpeg", "metadata": "json"},
            "system": {"behavior": {"paired": False, "synced": False}},
        },
        "spacingInfo": {
            "numPixels": {"x": width, "y": height},
            "pixelSize": {"x": one_third, "y": one_third},
            "topLeft": {"x": zero, "y": zero},
        },
        "userInterface": {"animal": animal},
    }
