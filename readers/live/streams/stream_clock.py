"""When the pictures of a stream are shown in its recording."""

from __future__ import annotations

import math
from fractions import Fraction

import av
from av.video.stream import VideoStream

_MARGIN_MS = 1000
"""Room for pictures that are shown before the first one that comes."""


class StreamClock:
    """Milliseconds since the beginning of a recording.

    Packets without any time, and those of a stream that has none, are shown when they arrive.

    Parameters
    ----------
    has_times
        Whether the stream's times are its own, rather than made up by FFmpeg.
    """

    def __init__(self, *, has_times: bool) -> None:
        self._has_times = has_times
        self._offset_ms: int | None = None
        self._origin_s = 0.0
        self._last_ms = -1

    def times_ms(
        self, packet: av.Packet[VideoStream], arrival_time_s: float
    ) -> tuple[int, int | None]:
        """Tell when a packet is shown, and when it is to be decoded; None where unknown."""
        shown, decoded = self._own_times(packet)
        reference = shown if decoded is None else decoded
        self._origin_s = self._origin_s or arrival_time_s
        if reference is None:
            self._last_ms = self._time_of(arrival_time_s)
            return self._last_ms, self._last_ms
        if self._offset_ms is None:
            self._offset_ms = -reference + (_MARGIN_MS if decoded is None else 0)
            if self._last_ms >= 0:  # a camera may tell no time of its first picture
                self._offset_ms = self._time_of(arrival_time_s) - reference
        shown_ms = self._offset_ms + (reference if shown is None else shown)
        if decoded is None or self._offset_ms + decoded < self._last_ms:
            # A time of decoding that falls is FFmpeg's guess, of a Matroska stream that was joined.
            return max(0, shown_ms), None
        self._last_ms = max(self._last_ms, self._offset_ms + decoded, 0)
        return max(self._last_ms, shown_ms), self._last_ms

    def _time_of(self, arrival_time_s: float) -> int:
        """Tell the time of what arrives, if it is later than all before."""
        return max(self._last_ms + 1, round(1000 * (arrival_time_s - self._origin_s)))

    def _own_times(self, packet: av.Packet[VideoStream]) -> tuple[int | None, int | None]:
        if not self._has_times:
            return None, None
        return _in_ms(packet.pts, packet.time_base), _in_ms(packet.dts, packet.time_base)


def _in_ms(time: int | None, time_base: Fraction | None) -> int | None:
    if time is None or not time_base:
        return None
    return math.floor(1000 * time * time_base + Fraction(1, 2))
