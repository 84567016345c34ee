"""What a movie that is being recorded gives: its packets, as they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import av
from av.video.stream import VideoStream

EndedBy = Literal["closed", "silent", "stopped", "damaged"]
"""Why nothing more comes: the recorder closed the file (or the stream ended), nothing came for too
long, somebody asked to stop, or the source cannot be followed any further."""


@dataclass(frozen=True, slots=True)
class ArrivedPacket:
    """A packet of one movie, and when its last byte was there.

    Attributes
    ----------
    packet
        What a decoder takes; its times are in units of the stream's time base. An .avi's are
        numbers of frames.
    arrival_time_s
        Seconds since 1970-01-01 UTC, by `readers.live.now_s`.
    """

    packet: av.Packet[VideoStream]
    arrival_time_s: float


class Feed(Protocol):
    """Packets of one movie that is being recorded, in the order in which they are decoded.

    `open` and `packets` are called from one thread at a time, `stop` and the attributes from any.

    Attributes
    ----------
    path
        The file that the movie is in, or is being recorded to.
    format
        Its kind, as of a `MovieInfo`; known once opened.
    notes
        What the user should know of it, as of a `MovieInfo`; known once opened.
    is_recorded_here
        Whether this program writes the file, which is then closed however its source ends.
    tells_times
        Whether packets have presentation times; False (.isxb) where these only number them.
    """

    path: Path
    format: str
    notes: tuple[str, ...]
    is_recorded_here: bool
    tells_times: bool

    def open(self) -> None:
        """Wait until the source has told what its packets are.

        Raises
        ------
        MovieError
            If it is no movie that can be followed, or nothing comes for too long.
        """

    def close(self) -> None:
        """Let go of the source; also after an `open` that failed, and twice."""

    @property
    def stream(self) -> VideoStream:
        """The stream of the packets, with its decoder not yet used; known once opened."""

    def packets(self) -> Iterator[ArrivedPacket]:
        """Yield each packet as soon as it is there, until the source ends or `stop`.

        What is wrong with the source is told by `damage`, not raised. Called once, and again
        from another thread only to go on with the same iterator.
        """

    def stop(self) -> None:
        """Take nothing that arrives from now on; `packets` ends with what was there before."""

    def watch(self) -> None:
        """Note what has arrived meanwhile: called while no packets are asked for."""

    @property
    def num_waiting_bytes(self) -> int:
        """Bytes that have arrived and are in none of the packets yet; 0 where nobody knows."""

    @property
    def ended_by(self) -> EndedBy | None:
        """Why nothing more comes; None while it goes on."""

    @property
    def damage(self) -> str | None:
        """One line, without the path, that says what is wrong with the source; else None."""
