"""A short movie again and again, as one long movie of the same compressed pictures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import cycle
from pathlib import Path

import av
import numpy as np


def write_looped_movie(source: Path, destination: Path, num_frames: int) -> None:
    """Copy the pictures of a movie again and again, undecoded, until there are `num_frames`.

    Frames are shown one frame period of `source` apart, also where `source` lacks one.

    Parameters
    ----------
    source
        A .mp4 or .avi of compressed video, which begins with a key frame and is short enough to
        be held in memory.
    destination
        The movie to write, of the same kind.
    num_frames
        Its number of frames, which may also be less than those of `source`.

    Raises
    ------
    ValueError
        If `num_frames` is less than 1, or the pictures of `source` are not compressed, are not
        there, or have no times.
    """
    if num_frames < 1:
        raise ValueError(f"a movie needs at least one frame, got {num_frames}")
    with av.open(str(source)) as container, av.open(str(destination), "w") as output:
        stream = container.streams.video[0]
        if stream.codec_context.name == "rawvideo":  # the copy would not tell the pixels' layout
            raise ValueError(f"{source}: holds uncompressed pictures")
        packets = [packet for packet in container.demux(stream) if packet.size]
        copy = output.add_stream_from_template(stream)
        shown_at = _places([packet.pts for packet in packets], num_frames, source)
        # Decoding comes first by as much as the packet that is stored longest before its turn.
        delay = max(index - place for index, place in enumerate(shown_at))
        time_base = stream.time_base or Fraction(1)
        period = 1 / (Fraction(stream.average_rate or 1) * time_base)
        for index, (place, packet) in enumerate(zip(shown_at, cycle(packets), strict=False)):
            packet.time_base = time_base
            packet.pts = round(place * period)
            packet.dts = round((index - delay) * period)
            packet.duration = round(period)
            packet.stream = copy
            output.mux(packet)


def _places(times: Sequence[int | None], num_frames: int, source: Path) -> list[int]:
    """Give for each stored picture its place among those shown.

    A loop that is cut short has the pictures that are there in their order, without gaps.
    """
    known = [time for time in times if time is not None]
    if len(known) < max(1, len(times)):
        raise ValueError(f"{source}: holds no pictures that have times")
    places: list[int] = []
    while len(places) < num_frames:
        loop = known[: num_frames - len(places)]
        places += (len(places) + np.argsort(np.argsort(loop))).tolist()
    return places
