"""When the pictures of an .avi that is a stream are shown: its packets do not tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import cast

import av
from av.video.stream import VideoStream

from readers.container.packet_decoder import PacketDecoder
from readers.growing.feed import ArrivedPacket

_MOST_WAITING = 32
"""Packets; one whose picture has not come by then never will."""


def with_shown_times(
    packets: Iterator[ArrivedPacket], stream: VideoStream, frame_period: int
) -> Iterator[ArrivedPacket]:
    """Give each packet the time at which its picture is shown, as a reader of the file finds it.

    Packets stay in the order of decoding. Each waits until a decoder, which is of no other use,
    has given its picture; one without a picture keeps its own time.
    """
    decoder = PacketDecoder(stream, frame_period, is_avi=True)
    waiting: deque[ArrivedPacket] = deque()
    shown: dict[int, int | None] = {}
    first, latest = 1, 0

    def known(most_waiting: int) -> Iterator[ArrivedPacket]:
        nonlocal first, latest
        while waiting and (first in shown or len(waiting) > most_waiting):
            arrived = waiting.popleft()
            packet = arrived.packet
            packet.pts = shown.pop(first, packet.pts)
            # FFmpeg takes one of MPEG-4 that is not coded for a key picture.
            packet.is_keyframe = packet.is_keyframe and (packet.pts or 0) >= latest
            latest = max(latest, packet.pts or 0)
            first += 1
            yield arrived

    for arrived in packets:
        packet = arrived.packet
        packet.pts, packet.dts = packet.dts, None
        waiting.append(arrived)
        copy = cast("av.Packet[VideoStream]", av.Packet(bytes(packet)))
        copy.pts = copy.dts = packet.pts
        copy.is_keyframe = packet.is_keyframe
        for picture, time in decoder.put(copy):
            if picture is not None:
                shown[picture.pts or 0] = time
        yield from known(_MOST_WAITING)
    for picture, time in decoder.rest():
        if picture is not None:
            shown[picture.pts or 0] = time
    yield from known(0)
