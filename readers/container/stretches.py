"""Recordings that stand one behind the other in one movie: their times go on."""

from __future__ import annotations

from typing import cast

import av
from av.video.stream import VideoStream

_LARGEST_REORDERING = 17
"""Frames by which a picture may be shown before one that is decoded before it."""


class Stretches:
    """The times of a movie's packets, each stretch of them put behind those before.

    Times step back where files were joined, or where a camera or its clock was started again. The
    first picture is then shown one frame period after the latest one before. A step of less than
    half a period is none, since times may not be exact; nor is one of 17 periods or less where no
    recording can begin, since pictures are not decoded in the order in which they are shown; nor is
    one while decoding times rise.

    Parameters
    ----------
    frame_period
        Nominal time from one frame to the next in units of the packets' times.

    Attributes
    ----------
    begins
        Whether the packet that was placed last is the first one of another recording.
    """

    def __init__(self, frame_period: float) -> None:
        self._frame_period = frame_period
        self._offset = 0
        self._latest: int | None = None
        self._last_decoding_time: int | None = None
        self._is_discard_wrong = False
        self.begins = False
        self._num_begun, self._first_begun = 0, 0

    def note(self, frame_index: int) -> None:
        """Note which frame is the first one of the recording that has begun."""
        self._first_begun = self._first_begun or frame_index
        self._num_begun += 1

    @property
    def damage(self) -> str | None:
        """Tell of the recordings that have begun; None where there is only one."""
        if not self._num_begun:
            return None
        return (
            f"its times step back at frame {self._first_begun}"
            + (f" and {self._num_begun - 1} times more" if self._num_begun > 1 else "")
            + ": recordings were joined, or a camera began anew; they are read one behind the other"
        )

    def place(self, packet: av.Packet[VideoStream]) -> av.Packet[VideoStream]:
        """Give a packet its time; packets come in the order of decoding.

        Where a fragmented .mp4 steps back, FFmpeg wants the first fragment to be discarded. It is
        kept: such packets are given as copies without that mark.
        """
        shown = packet.dts if packet.pts is None else packet.pts
        self.begins = False
        if shown is None:
            return packet
        if self._latest is not None:
            step_back = self._latest - self._offset - shown
            num_periods = 0.5 if packet.is_keyframe else _LARGEST_REORDERING
            self.begins = step_back > num_periods * self._frame_period and not self._rises(packet)
            if self.begins:
                self._offset = self._latest + round(self._frame_period) - shown
        self._is_discard_wrong = packet.is_discard and (self.begins or self._is_discard_wrong)
        if self._is_discard_wrong:
            packet = _kept(packet)
        if not packet.is_discard:
            placed = shown + self._offset
            self._latest = placed if self._latest is None else max(placed, self._latest)
        self._last_decoding_time = packet.dts
        if packet.pts is not None:
            packet.pts += self._offset
        if packet.dts is not None:
            packet.dts += self._offset
        return packet

    def _rises(self, packet: av.Packet[VideoStream]) -> bool:
        last = self._last_decoding_time
        return packet.dts is not None and last is not None and packet.dts > last


def _kept(packet: av.Packet[VideoStream]) -> av.Packet[VideoStream]:
    kept = cast("av.Packet[VideoStream]", av.Packet(bytes(packet)))
    kept.pts, kept.dts, kept.time_base = packet.pts, packet.dts, packet.time_base
    kept.is_keyframe = packet.is_keyframe
    return kept
