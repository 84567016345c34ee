"""The times of a movie's frames, also where recordings were joined, and the time between two.

An .avi numbers its frames instead: its index tells the number of each.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.video.stream import VideoStream

from readers.errors import MovieError
from readers.ffmpeg import packet_of

_SHORTEST_S = Fraction(1, 1_000_000)
_LONGEST_S = Fraction(86_400)
UNKNOWN_S = Fraction(1, 25)
"""The period of a movie that does not tell it, as players take it."""
WITHOUT_TIMES = ("h264", "hevc", "m4v", "mpegvideo", "mjpeg", "mpjpeg", "jpeg_pipe", "vc1", "vvc")
"""Formats whose times, and mean rate, FFmpeg makes up."""
_HIGHEST_RATE = 1000
"""A higher rate, without a number of frames, is the unit of the movie's times."""
_LARGEST_REORDERING = 17
"""Frames by which a picture may be shown before one that is decoded before it."""
_BYTES_BEFORE_DATA = 8
_FEWEST_DISTANCES = 8
"""Of pictures in an index, from which a rule can be seen."""
_SAME_RATE = 0.001
"""Relative difference between rates that are the same, such as 30 and 30000/1001."""


def check_frame_period(path: Path, period_s: Fraction) -> None:
    """Raise `MovieError` unless the period lies between a microsecond and a day."""
    if not _SHORTEST_S <= period_s <= _LONGEST_S:
        raise MovieError(
            path,
            f"claims {float(period_s):.3g} s from frame to frame; "
            "allowed are 1e-06 (a microsecond) to 86400 (a day)",
        )


def frame_period_s(path: Path, stream: VideoStream, step_s: Fraction | None = None) -> Fraction:
    """Give the nominal time from frame to frame of a stream that was opened.

    That is the mean of its frames, which FFmpeg knows where there are a few of them; otherwise
    what the pictures' own headers tell. FFmpeg's guess, which takes fields for frames, comes last.

    `step_s` is the time between the first frames, or that the first is shown for, where known.
    Raises `MovieError` if the period is impossible.
    """
    mean, guessed = stream.average_rate, stream.guessed_rate
    own = stream.codec_context.framerate
    name = stream.container.format.name
    is_made_up = name in WITHOUT_TIMES and own
    is_unit = mean and mean > _HIGHEST_RATE and name != "avi" and not stream.frames
    period_s = UNKNOWN_S
    if mean and mean > 0 and not is_made_up and not is_unit:
        period_s = chunks_per_frame(stream)[0] / Fraction(mean)
    elif own and 0 < own <= _HIGHEST_RATE:
        period_s = 1 / Fraction(own)
    elif step_s:
        period_s = step_s
    elif guessed and 0 < guessed < _HIGHEST_RATE:
        period_s = 1 / Fraction(guessed)
    check_frame_period(path, period_s)
    return period_s


def period_in_stream(stream: VideoStream, period_s: Fraction) -> int:
    """Give a frame period in units of a stream's times, at least one."""
    return max(1, round(period_s / (stream.time_base or period_s)))


def chunks_per_frame(stream: VideoStream) -> tuple[int, bool]:
    """Tell how many chunks an .avi counts from one frame to the next, and whether it says so.

    Other movies count frames.

    More than one where the file counts faster than frames come: its empty chunks then only keep
    time. A file says so if its pictures tell a rate of which its own is a multiple. Otherwise it
    is taken to be so if nowhere in the index two pictures stand next to each other.
    """
    if stream.container.format.name != "avi":
        return 1, True
    least, count = 0, 0
    places = (entry.timestamp for entry in stream.index_entries if entry.size)
    for place, later in pairwise(places):
        count += 1
        least = min(later - place, least or later - place)
        if least <= 1:
            least, count = 1, _FEWEST_DISTANCES
            break
    distance = least if count >= _FEWEST_DISTANCES else None
    rate, own_rate = stream.average_rate, stream.codec_context.framerate
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


def num_claimed(stream: VideoStream) -> int | None:
    """Tell how many frames a file claims; None where it does not.

    An edit list of a .mp4 may leave out some of them.
    """
    if stream.frames > 0 and stream.container.format.name.startswith("mov"):
        return sum(not entry.is_discard for entry in stream.index_entries)
    return max(0, stream.frames // chunks_per_frame(stream)[0]) or None


def num_dropped(stream: VideoStream) -> int | None:
    """Tell how many frames the index of an .avi counts without having a picture of them.

    None for other movies, and where the index is missing.
    """
    if stream.container.format.name != "avi":
        return None
    claimed, num_indexed = num_claimed(stream), len(stream.index_entries)
    if claimed is None or num_indexed < min(claimed, 2):
        return None
    return max(0, claimed - num_indexed)


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
        self._end = 0
        self.next_number = 0
        """Of the frame behind the last one that was numbered."""

    def number(self, packet: av.Packet[VideoStream]) -> None:
        """Set both times of a packet to its number, the frames that were dropped counted too.

        Of the two that FFmpeg gives, only that of decoding is a number of chunks. Numbers rise;
        one that leaves out more frames than there are bytes for is not believed.
        """
        if packet.dts is None:
            packet.pts = None
            return
        number = packet.dts + self._shift
        while packet.pos is not None and self._next < len(self._entries):
            entry = self._entries[self._next]
            if entry.pos + _BYTES_BEFORE_DATA > packet.pos:
                break
            self._next += 1
            if entry.pos + _BYTES_BEFORE_DATA == packet.pos:
                number = entry.timestamp
                break
            self._lost.add(entry.timestamp)
        position = packet.pos or 0
        if not 0 <= number - self.next_number <= (position - self._end) // _BYTES_BEFORE_DATA:
            number = self.next_number
        self._shift = number - packet.dts
        self.next_number, self._end = number + 1, position + packet.size
        packet.pts = packet.dts = number

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


class FrameClock:
    """Seconds since the first frame, from the presentation times of a stream."""

    def __init__(self, period_s: Fraction, time_base: Fraction | None) -> None:
        self._period_s, self._time_base = period_s, time_base or Fraction(0)
        self._first_s: Fraction | None = None
        self._elapsed_s = -period_s

    def time_s(self, time: int | None) -> float:
        """Give the time of the next frame, never less than the last one's.

        One without a time follows a period after the last.
        """
        if time is None:
            self._elapsed_s += self._period_s
        else:
            time_s = time * self._time_base
            self._first_s = time_s if self._first_s is None else self._first_s
            self._elapsed_s = max(time_s - self._first_s, self._elapsed_s)
        periods = self._elapsed_s / self._period_s
        if periods.denominator == 1:  # index × period in floating point, as the reference tool
            return periods.numerator * float(self._period_s)
        return float(self._elapsed_s)


class Stretches:
    """The times of a movie's packets, each stretch of them put behind those before.

    Times step back where files were joined, or where a camera or its clock was started again. The
    first picture is then shown one frame period after the latest one before. Steps of less
    than half a period do not count, since times may not be exact. Before a packet with which no
    recording can begin, steps of up to 17 periods do not count either, since pictures are not
    decoded in the order in which they are shown; nor does any step while decoding times rise.

    `frame_period` is the nominal time from one frame to the next, in units of the packets' times.
    """

    def __init__(self, frame_period: float) -> None:
        self._frame_period = frame_period
        self._offset = 0
        self._latest: int | None = None
        self._last_decoding_time: int | None = None
        self._is_discard_wrong = False
        self._num_begun, self._first_begun = 0, 0
        self.begins = False
        """Whether the packet that was placed last is the first one of another recording."""

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
            last = self._last_decoding_time
            rises = packet.dts is not None and last is not None and packet.dts > last
            self.begins = step_back > num_periods * self._frame_period and not rises
            if self.begins:
                self._offset = self._latest + round(self._frame_period) - shown
        self._is_discard_wrong = packet.is_discard and (self.begins or self._is_discard_wrong)
        if self._is_discard_wrong:
            marked, packet = packet, packet_of(bytes(packet))
            packet.pts, packet.dts, packet.time_base = marked.pts, marked.dts, marked.time_base
            packet.is_keyframe = marked.is_keyframe
        if not packet.is_discard:
            placed = shown + self._offset
            self._latest = placed if self._latest is None else max(placed, self._latest)
        self._last_decoding_time = packet.dts
        if packet.pts is not None:
            packet.pts += self._offset
        if packet.dts is not None:
            packet.dts += self._offset
        return packet
