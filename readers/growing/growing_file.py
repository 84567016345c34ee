"""A file that is still written, when its bytes arrived, and the packets of the movie in it."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from threading import Event, Lock
from typing import IO, Literal

import av
from av.video.stream import VideoStream

from readers.errors import MovieError, movie_errors
from readers.ffmpeg import open_regular_file

EndedBy = Literal["closed", "silent", "stopped", "damaged"]
"""Why nothing more comes: the recorder closed the file (or the stream ended), nothing came for too
long, the run was asked to stop, or the source cannot be read any further."""
_POLL_S = 0.001
"""How often a file is looked at while nothing comes."""
_SETTLED_S = 0.1
"""A file that may be closed is taken for closed once nothing was added for so long: one of several
parts can look closed in the moment before the next part begins."""
_BECAME_SHORTER = "became shorter while it was read"
_MOST_PAIRS = 4096
_OFFSET_S = time.time() - time.monotonic()


def now_s() -> float:
    """Tell the seconds since 1970-01-01 UTC, as the system's clock had it when posestream began.

    It never jumps, whatever is done to the system's clock: latencies are differences of it. All
    processes of a machine that share the offset share the clock.
    """
    return _OFFSET_S + time.monotonic()


class Arrivals:
    """Sizes that a file had and when it was first seen to have them; bounded.

    Where there is no more room every second size is forgotten: bytes seem to have arrived with the
    next one that is known, never too early.
    """

    def __init__(self, most_pairs: int = _MOST_PAIRS) -> None:
        self._most_pairs = most_pairs
        self._pairs: list[tuple[int, float]] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def size(self) -> int:
        """The largest size that was seen."""
        return self._pairs[-1][0] if self._pairs else 0

    def note(self, size: int, time_s: float) -> None:
        """Note a size; one that is not larger than the last is passed over."""
        with self._lock:
            if size > self.size:
                self._pairs.append((size, time_s))
            if len(self._pairs) > self._most_pairs:
                del self._pairs[len(self._pairs) % 2 :: 2]  # keeps the last one

    def when(self, size: int) -> float:
        """Tell when the file first had `size` bytes, or else when it last grew; in rising order.

        Smaller sizes are then forgotten. `IndexError` where nothing has arrived.
        """
        with self._lock:
            place = bisect_left(self._pairs, size, key=itemgetter(0))
            del self._pairs[: min(place, len(self._pairs) - 1)]
            return self._pairs[0][1]


class GrowingFile:
    """The bytes of a file as they come, up to where no more will.

    FFmpeg reads it without moving about: what it would look for is not written yet. One thread
    reads; the others may look.

    Parameters
    ----------
    path
        The file; it has to be there.
    is_closed
        Tells of the file and its size whether the program that writes it is done with it.
    end_after_s
        Silence that is taken for the end, in seconds; asked each time where it is a function.
    wait, clock
        Wait for at most as many seconds, None for a wait that `stop` ends; tell the time.

    Attributes
    ----------
    file
        The file itself, to look at what has come already; leave its position alone.
    ended_by, damage, notes, is_recorded_here
        As of a `Feed` of it.
    """

    error: OSError | None = None
    """None: `damage` tells what went wrong."""
    notes: tuple[str, ...] = ()
    is_recorded_here = False

    def __init__(
        self,
        path: Path,
        is_closed: Callable[[IO[bytes], int], bool],
        *,
        end_after_s: float | Callable[[], float],
        wait: Callable[[float], object] | None = None,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self.path, self._is_closed = path, is_closed
        self._name: Path | str = path
        self._end_after_s = end_after_s if callable(end_after_s) else lambda: end_after_s
        self._stopped = Event()
        self._wait = wait or self._stopped.wait
        self._clock = clock
        self.file: IO[bytes] = BytesIO()  # until it is opened
        self._arrivals = Arrivals()
        self._last_growth_s = 0.0
        self._position = 0
        self._end: int | None = None
        self._interrupt: BaseException | None = None
        self.ended_by: EndedBy | None = None
        self.damage: str | None = None

    def open(self) -> None:
        """Open the file; silence counts from now on. `MovieError` if it is no file."""
        self.file = open_regular_file(self.path)
        self._status = os.fstat(self.file.fileno())
        self._last_growth_s = self._clock()
        self.watch()

    @property
    def size(self) -> int:
        """Bytes that have come, and can be read."""
        return self._arrivals.size if self._end is None else self._end

    def arrival_time_s(self, size: int) -> float:
        """Tell when the first `size` bytes were there; see `Arrivals.when`."""
        return self._arrivals.when(size)

    def tell(self) -> int:
        """Position in bytes from the start."""
        return self._position

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes, waiting for the first of them; none at the end.

        An interrupt is taken for the end, and kept for `raise_interrupt`: FFmpeg would lose it.
        """
        try:
            if not self.wait_for(self._position + 1):
                return b""
            data = self.peek(self._position, min(size, self.size - self._position))
        except KeyboardInterrupt as interrupt:
            self._interrupt = interrupt
            self._finish("stopped")
            return b""
        self._position += len(data)
        return data

    def raise_interrupt(self) -> None:
        """Raise an interrupt, or another error, that came while FFmpeg read, once."""
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt

    def wait_for(self, size: int) -> bool:
        """Wait until the file has as many bytes; False if it never will."""
        while self.size < size:
            self.watch()
            if self.size < size:
                if self.ended_by is not None:
                    return False
                self._wait(_POLL_S)
        return True

    def wait_for_end(self) -> None:
        """Wait until no more will come."""
        while self.wait_for(self.size + 1):
            pass

    def peek(self, offset: int, size: int) -> bytes:
        """Read bytes that have come, wherever they are; fewer where they are gone again."""
        try:
            data = os.pread(self.file.fileno(), size, offset)
        except OSError as error:
            self._fail(f"cannot be read any more ({error.strerror})", offset)
            return b""
        if size and not data:
            self._fail(_BECAME_SHORTER, offset)
        return data

    def watch(self) -> None:
        """Look whether the file has grown, or has ended."""
        if self.ended_by is not None:
            return
        try:
            now_s, size = self._clock(), os.fstat(self.file.fileno()).st_size
        except OSError as error:
            self._fail(f"cannot be read any more ({error.strerror})", self.size)
            return
        if self._stopped.is_set():
            self._finish("stopped")
        elif size < self.size:
            # What is behind the cut, and what may be written there now, is another recording.
            self._fail(_BECAME_SHORTER, size)
        elif size > self.size:
            self._arrivals.note(size, now_s)
            self._last_growth_s = now_s
        else:
            self._look_for_end(now_s - self._last_growth_s)

    def _look_for_end(self, silence_s: float) -> None:
        try:
            if not os.path.samestat(self.path.stat(), self._status):
                self._fail("was replaced while it was read", self.size)
                return
        except FileNotFoundError:
            self._fail("was deleted while it was read", self.size)
            return
        except OSError as error:
            self._fail(f"cannot be looked at any more ({error.strerror})", self.size)
            return
        if silence_s >= _SETTLED_S and self._is_closed(self.file, self.size):
            self._finish("closed")
        elif silence_s >= self._end_after_s():
            self._finish("silent")

    def stop(self) -> None:
        """Let no more bytes come; those that are there can still be read. From any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Close the file; nothing more can be read."""
        self.file.close()

    def nothing_came(self) -> MovieError:
        """Make the error for a file whose first picture never came."""
        problems = {
            "stopped": "was stopped before its first picture came",
            "silent": f"no picture came within {self._end_after_s():g} s",
        }
        problem = self.damage or problems.get(self.ended_by or "", "holds no picture")
        return MovieError(self._name, problem)

    def _fail(self, damage: str, end: int) -> None:
        self.damage = damage
        self._finish("damaged", end)

    def _finish(self, ended_by: EndedBy, end: int | None = None) -> None:
        self._end = self.size if end is None else min(end, self.size)
        self.ended_by = ended_by


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

        What is wrong with the source is told by `damage`, not raised. Another thread may go on with
        the iterator.
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
