"""The index of an .avi, which numbers the frames of its packets."""

from __future__ import annotations

from itertools import pairwise

import av
from av.video.stream import VideoStream

_BYTES_BEFORE_DATA = 8
_FEWEST_DISTANCES = 8
"""Of pictures in an index, from which a rule can be seen."""
_SAME_RATE = 0.001
"""Relative difference between rates that are the same, such as 30 and 30000/1001."""


def chunks_per_frame(stream: VideoStream) -> tuple[int, bool]:
    """Tell how many chunks an .avi counts from one frame to the next, and whether it says so.

    Other movies count frames.

    More than one where the file counts faster than frames come: its empty chunks then only keep
    time. A file says so if its pictures tell a rate of which its own is a multiple. Otherwise it
    is taken to be so if nowhere in the index two pictures stand next to each other.
    """
    if stream.container.format.name != "avi":
        return 1, True
    rate, own_rate = stream.average_rate, stream.codec_context.framerate
    distance = _least_distance(stream)
    if rate and own_rate:
        multiple = max(1, round(rate / own_rate))
        if abs(rate / own_rate / multiple - 1) < _SAME_RATE and (distance or multiple) >= multiple:
            return multiple, True
    return distance or 1, False


def time_keeping(stream: VideoStream) -> str | None:
    """Tell of empty chunks that are taken to keep time though the .avi does not say so."""
    num_chunks, is_told = chunks_per_frame(stream)
    if is_told or num_chunks == 1:
        return None
    num_empty = max(0, stream.frames - len(stream.index_entries))
    return (
        f"no two of its pictures are neighbours, but {num_chunks} chunks or more apart: its "
        f"{num_empty} empty chunks are taken to keep time rather than for dropped frames"
    )


def _least_distance(stream: VideoStream) -> int | None:
    """Tell how close pictures come to each other in an index; None where too few are in it."""
    places = (entry.timestamp for entry in stream.index_entries if entry.size)
    least, count = None, 0
    for place, later in pairwise(places):
        count += 1
        least = min(later - place, least or later - place)
        if least <= 1:
            return 1
    return least if count >= _FEWEST_DISTANCES else None


class AviIndex:
    """The place of each frame of an .avi.

    FFmpeg counts the chunks that it comes across, and so miscounts behind a damaged one. Where a
    packet lies tells its number beyond doubt.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._entries = stream.index_entries
        self._next = 0
        self._lost: set[int] = set()
        self._shift = 0
        self._last = -1
        self._end = 0

    @property
    def next_number(self) -> int:
        """Number of the frame behind the last one that was numbered."""
        return self._last + 1

    def number(self, packet: av.Packet[VideoStream]) -> None:
        """Set both times of a packet to its number, the frames that were dropped counted too.

        Of the two that FFmpeg gives, only that of decoding is a number of chunks. Numbers rise;
        one that leaves out more frames than there are bytes for is not believed.
        """
        if packet.dts is None:
            packet.pts = None
            return
        number = self._by_position(packet)
        if number is None:
            number = packet.dts + self._shift
        position = packet.pos or 0
        if not 0 <= number - self._last - 1 <= (position - self._end) // _BYTES_BEFORE_DATA:
            number = self._last + 1
        self._shift = number - packet.dts
        self._last, self._end = number, position + packet.size
        packet.pts = packet.dts = number

    def _by_position(self, packet: av.Packet[VideoStream]) -> int | None:
        while packet.pos is not None and self._next < len(self._entries):
            entry = self._entries[self._next]
            position = entry.pos + _BYTES_BEFORE_DATA
            if position > packet.pos:
                return None
            self._next += 1
            if position == packet.pos:
                return entry.timestamp
            self._lost.add(entry.timestamp)
        return None

    def take_lost(self, number: int) -> bool:
        """Tell, once, whether the file holds a frame of that number that was passed over."""
        is_lost = number in self._lost
        self._lost.discard(number)
        return is_lost

    def num_behind(self, file_size: int) -> int:
        """Count the frames that the file holds behind the last packet; they then are lost."""
        count = 0
        for entry in self._entries[self._next :]:
            if entry.pos >= file_size:
                break
            count += 1
            self._lost.add(entry.timestamp)
        return count
