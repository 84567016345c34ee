"""Publish as a stream of Lab Streaming Layer."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from readers import InputError
from readers.growing.clock import now_s
from sinks.base import PoseBatch
from sinks.publishing.extras import import_extra
from sinks.publishing.message import arrival_times_s
from sinks.publishing.publisher import Publisher

_LONGEST_QUEUE = 10_000
"""Samples that wait for one receiver: some minutes, as with other LSL streams, since a recorder
wants them all. Who wants the newest asks LSL for a shorter queue."""
_NUM_CLOCK_READINGS = 10


class LslPublisher(Publisher):
    """Publishes one sample for each frame, at the time when the frame arrived.

    The stream's content type is ``MoCap``, and its description follows what XDF recommends for
    that (https://github.com/sccn/xdf/wiki/MoCap-Meta-Data): each channel has a label, a marker
    (the body part), a type and a unit. For a body part "nose" these are ``nose_x`` (PositionX,
    pixels), ``nose_y`` (PositionY, pixels) and ``nose_likelihood`` (Confidence, normalized).
    XDF prefers meters, which nobody knows here. After the body parts come four channels for the
    rest of what the messages in JSON tell: ``movie`` and ``frame`` (FrameNumber, count),
    ``capture_time`` (Time, seconds since the movie's first frame) and ``publish_time`` (Time,
    seconds of LSL's clock). What is not known is NaN.

    Values are float64: these keep poses, frame numbers and times as they are. The rate is
    irregular: receivers then leave the times as they are, and nobody has to know the rate before
    the recording begins. The source's name is made of the stream's and the machine's, so that a
    receiver finds the stream again when the run has been started again. LSL drops the oldest
    samples of a receiver that is slow, and tells nobody; it cannot be asked to wait until the
    last samples are sent.

    Parameters
    ----------
    body_parts
        Names in the order of the poses.
    name
        The stream's, not empty.

    Raises
    ------
    InputError
        If the name is empty, or pylsl is not installed.
    """

    def __init__(self, body_parts: Sequence[str], *, name: str) -> None:
        super().__init__(body_parts)
        if not name:
            raise InputError("lsl: the stream must have a name, such as lsl:mouse")
        self._lsl = import_extra("pylsl", "lsl")
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
        resources.callback(self._close)
        self._clock_offset_s = _clock_offset_s(self._lsl)

    @property
    def num_unsent(self) -> None:
        """Nobody knows."""
        return

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
        channels = _channels(self._body_parts)
        info = self._lsl.StreamInfo(
            name=self._name,
            type="MoCap",
            channel_count=len(channels),
            nominal_srate=self._lsl.IRREGULAR_RATE,
            channel_format=self._lsl.cf_double64,
            source_id=f"posestream:{self._name}@{socket.gethostname()}",
        )
        described = info.desc().append_child("channels")
        for channel in channels:
            element = described.append_child("channel")
            for member, value in channel.items():
                element.append_child_value(member, value)
        acquisition = info.desc().append_child("acquisition")
        acquisition.append_child_value("manufacturer", "posestream")
        acquisition.append_child_value("compensated_lag", "0")
        return info

    def _close(self) -> None:
        del self._outlet


def _channels(body_parts: Sequence[str]) -> list[dict[str, str]]:
    """Describe the channels in the order of a sample's values."""
    kinds = [
        ("x", "PositionX", "pixels"),
        ("y", "PositionY", "pixels"),
        ("likelihood", "Confidence", "normalized"),
    ]
    channels = [
        {"label": f"{part}_{coordinate}", "marker": part, "type": kind, "unit": unit}
        for part in body_parts
        for coordinate, kind, unit in kinds
    ]
    channels += [
        {"label": "movie", "type": "FrameNumber", "unit": "count"},
        {"label": "frame", "type": "FrameNumber", "unit": "count"},
        {"label": "capture_time", "type": "Time", "unit": "seconds"},
        {"label": "publish_time", "type": "Time", "unit": "seconds"},
    ]
    return channels


def _clock_offset_s(lsl: Any) -> float:
    """Measure what is added to posestream's time to get LSL's, in seconds.

    Both go with the machine's monotonic clock, so that it stays as it is. Of some readings, each
    of LSL's clock between two of ours, that counts which took the least time.
    """
    readings = [(now_s(), lsl.local_clock(), now_s()) for _ in range(_NUM_CLOCK_READINGS)]
    before_s, lsl_s, after_s = min(readings, key=lambda times: times[2] - times[0])
    return float(lsl_s - np.mean([before_s, after_s]))
