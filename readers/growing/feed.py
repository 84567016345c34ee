"""The packets of a movie that is being recorded, as they arrive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

import av
from av.video.stream import VideoStream

from readers.errors import movie_errors
from readers.growing.growing_file import EndedBy, GrowingFile


@dataclass(frozen=True, slots=True)
class ArrivedPacket:
    """A packet of one movie, and when its last byte was there, by `readers.live.now_s`.

    Its times are in units of the stream's time base; an .avi's are numbers of frames.
    """

    packet: av.Packet[VideoStream]
    arrival_time_s: float


class Feed(ABC):
    """Packets of one movie that is being recorded, in the order in which they are decoded.

    `open` and `packets` are called from one thread at a time, `stop` and the attributes from any.

    Attributes
    ----------
    path
        The file that the movie is in, or is being recorded to.
    format, notes
        As of a `MovieInfo`; known once opened.
    stream
        The stream of the packets, with its decoder not yet used; known once opened.
    is_recorded_here
        Whether this program writes the file, which is then closed however its source ends.
    tells_times
        Whether packets have presentation times; False (.isxb) where these only number them.
    """

    format = ""
    notes: tuple[str, ...] = ()
    stream: VideoStream
    tells_times = True

    def __init__(self, file: GrowingFile) -> None:
        self.path, self.is_recorded_here = file.path, file.is_recorded_here
        self._file = file
        self._resources = ExitStack()

    @classmethod
    def not_live_because(cls, file: IO[bytes], head: bytes) -> str | None:  # noqa: ARG003
        """Say why a file that begins so cannot be read as it grows; None where it can, or may."""
        return None

    @abstractmethod
    def _open_stream(self) -> VideoStream:
        """Wait for what tells the packets' kind; the growing file is open already."""

    @abstractmethod
    def packets(self) -> Iterator[ArrivedPacket]:
        """Yield each packet as soon as it is there, until the source ends or `stop`.

        What is wrong with the source is told by `damage`, not raised. Called once, and again
        from another thread only to go on with the same iterator.
        """

    @property
    @abstractmethod
    def num_waiting_bytes(self) -> int:
        """Bytes that have arrived and are in none of the packets yet."""

    def open(self) -> None:
        """Wait until the source has told what its packets are.

        Raises `MovieError` if it cannot be read as it grows, or nothing comes for too long.
        """
        self._resources.callback(self._file.close)
        with movie_errors(self.path):
            self._file.open()
            self.stream = self._open_stream()
        self.notes += self._file.notes

    def close(self) -> None:
        """Let go of the source; also after an `open` that failed, and twice."""
        self._resources.close()

    def stop(self) -> None:
        """Take nothing that arrives from now on; `packets` ends with what was there before."""
        self._file.stop()

    def watch(self) -> None:
        """Note what has arrived meanwhile: called while no packets are asked for."""
        self._file.watch()

    @property
    def ended_by(self) -> EndedBy | None:
        """Why nothing more comes; None while it may."""
        return self._file.ended_by

    @property
    def damage(self) -> str | None:
        """One line, without the path, that says what is wrong with the source; else None."""
        return self._file.damage
