"""The publisher of a stream of Lab Streaming Layer."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import Any

import numpy as np

from readers import InputError
from readers.growing.growing_file import now_s
from sinks.base import PoseBatch
from sinks.publishing.publisher import Publisher, arrival_times_s

_LONGEST_QUEUE = 10_000
"""Samples that wait for one receiver: some minutes, as with other LSL streams, since a recorder
wants them all. A receiver that wants the newest asks LSL for a shorter queue."""
_NUM_CLOCK_READINGS = 10
_COORDINATES = (
    ("x", "PositionX", "pixels"),
    ("y", "PositionY", "pixels"),
    ("likelihood", "Confidence", "normalized"),
)
_OTHER_CHANNELS = (
    ("movie", "FrameNumber", "count"),
    ("frame", "FrameNumber", "count"),
    ("capture_time", "Time", "seconds"),
    ("publish_time", "Time", "seconds"),
)


class LslPublisher(Publisher):
    """Publishes one sample for each frame, at the time when the frame arrived.

    The stream's content type is ``MoCap``, and its description follows what XDF recommends for
    that (https://github.com/sccn/xdf/wiki/MoCap-Meta-Data). The channels of a body part "nose" are
    ``nose_x`` and ``nose_y`` in pixels (XDF prefers meters, which are not known here) and
    ``nose_likelihood``. After the body parts come the rest of what the messages in JSON tell:
    ``movie``, ``frame``, ``capture_time`` (seconds since the movie's first frame) and
    ``publish_time`` (seconds of LSL's clock). What is not known is NaN; values are float64.

    The rate is irregular: receivers then leave the times as they are. A receiver finds the stream
    of a run that was started again by the source's name, made of the stream's and the machine's.
    LSL drops the oldest samples of a slow receiver without telling, and the last ones at the end.

    `InputError` if the name of the stream is empty, or pylsl is not installed.
    """

    def __init__(self, body_parts: Sequence[str], *, name: str) -> None:
        super().__init__(body_parts)
        if not name:
            raise InputError("lsl: the stream must have a name, such as lsl:mouse")
        try:
            self._lsl: Any = import_module("pylsl")
        except ImportError as error:
            raise InputError(
                "lsl: needs pylsl, which is not installed: pip install 'posestream[lsl]'"
            ) from error
        self._name = name
        self.address = f"lsl:{name}"

    def open(self, resources: ExitStack) -> None:
        """Make the stream, so that others find it."""
        flags = self._lsl.transp_bufsize_samples
        try:
            self._outlet = self._lsl.StreamOutlet(
                self._description(), max_buffered=_LONGEST_QUEUE, transport_flags=flags
            )
        except RuntimeError as error:
            raise InputError(f"{self.address}: the stream cannot be made ({error})") from error
        resources.callback(delattr, self, "_outlet")
        # LSL's time minus ours: both go with the machine's monotonic clock. LSL's clock is read
        # between two readings of ours, and the try that took the least time counts.
        clock, times = self._lsl.local_clock, range(_NUM_CLOCK_READINGS)
        readings = [(now_s(), clock(), now_s()) for _ in times]
        before_s, lsl_s, after_s = min(readings, key=lambda reading: reading[2] - reading[0])
        self._clock_offset_s = float(lsl_s - np.mean([before_s, after_s]))

    def write(self, batch: PoseBatch) -> None:
        """Publish the next batch of the movie."""
        arrivals_s = (arrival_times_s(batch) + self._clock_offset_s).tolist()
        capture_times_s = batch.frames.time_s.tolist()
        for row, pose in enumerate(batch.poses.reshape(len(batch), -1).tolist()):
            sample = [
                *pose,
                self._movie_number,
                batch.frames.first_frame_index + row,
                capture_times_s[row],
                now_s() + self._clock_offset_s,
            ]
            self._outlet.push_sample(sample, arrivals_s[row])

    def _description(self) -> Any:
        channels = [
            {"label": f"{part}_{name}", "marker": part, "type": kind, "unit": unit}
            for part in self._body_parts
            for name, kind, unit in _COORDINATES
        ]
        channels += [
            {"label": name, "type": kind, "unit": unit} for name, kind, unit in _OTHER_CHANNELS
        ]
        info = self._lsl.StreamInfo(
            name=self._name,
            type="MoCap",
            channel_count=len(channels),
            nominal_srate=self._lsl.IRREGULAR_RATE,
            channel_format=self._lsl.cf_double64,
            source_id=f"posestream:{self._name}@{socket.gethostname()}",
        )
        parent = info.desc().append_child("channels")
        for channel in channels:
            element = parent.append_child("channel")
            for member, value in channel.items():
                element.append_child_value(member, value)
        acquisition = info.desc().append_child("acquisition")
        acquisition.append_child_value("manufacturer", "posestream")
        acquisition.append_child_value("compensated_lag", "0")
        return info
