"""The publisher of poses, its messages in JSON, and those on the standard output and sockets."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import stat
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readers import FrameStatus, InputError
from readers.growing.growing_file import now_s
from sinks.base import PoseBatch, ResourceHolder

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_STATUS_NAMES = {int(status): status.name.lower() for status in FrameStatus}
_LONGEST_QUEUE = 64
"""Two seconds at 30 frames/s. A subscriber that is further behind is better off with newer ones."""
_PIECE_LENGTH: int = getattr(select, "PIPE_BUF", 512)
"""A pipe that is said to be writable takes this many bytes at once, nowhere fewer than 512."""
LARGEST_PORT = 65535
_MOST_SUBSCRIBERS = 64
_MOST_ACCEPTED = 8
"""At a time, so that a flood of connections does not hold up the poses."""
_SEND_BUFFER_LENGTH = 64 * 1024
"""Bytes that the system keeps for a subscriber. Left alone, it would keep minutes of poses."""
_RECEIVE_BUFFER_LENGTH = 4096
"""Bytes that the system keeps of what a subscriber sends: next to nothing is of interest."""


class Publisher(ResourceHolder):
    """Tells the poses of a run's movies to other programs as soon as they are there.

    A sink that is open over all movies of a run. No subscriber can make it wait: one that is
    slow misses messages, each of them as a whole, one that is gone is forgotten, and one that
    comes late begins with the next message.

    The `address` for subscribers is written as in a specification. Once it is open, it has the port
    that the system has chosen where port 0 was asked for. `InputError` on entering if nothing can
    be published there.
    """

    address: str

    def __init__(self, body_parts: Sequence[str]) -> None:
        self._body_parts = tuple(body_parts)
        self._movie_number = 0

    def begin_movie(self, number: int) -> None:
        """Say which movie of the run the next batches are of, from 0."""
        self._movie_number = number

    @abstractmethod
    def write(self, batch: PoseBatch) -> None:
        """Publish the next batch of the movie.

        `ValueError` if its times of arrival are not known, or it has another number of body parts.
        """

    @property
    def num_unsent(self) -> int | None:
        """Messages that slow or gone subscribers did not get, summed; None where it is unknown."""
        return None


class MessagePublisher(Publisher):
    """A publisher of messages in JSON, one for each frame."""

    def write(self, batch: PoseBatch) -> None:
        """Publish the next batch of the movie."""
        for message in json_messages(
            batch, movie_number=self._movie_number, body_parts=self._body_parts
        ):
            self.publish(message)

    @abstractmethod
    def publish(self, message: bytes) -> None:
        """Publish a message, which ends with a line break."""


def arrival_times_s(batch: PoseBatch) -> NDArray[np.float64]:
    """Tell when the frames of a batch arrived; `ValueError` if its movie is not being recorded."""
    if batch.frames.arrival_time_s is None:
        raise ValueError("only frames of a movie that is being recorded can be published")
    return batch.frames.arrival_time_s


def json_messages(
    batch: PoseBatch, *, movie_number: int, body_parts: Sequence[str]
) -> Iterator[bytes]:
    r"""Write each frame of a batch as a JSON object on a line of its own, ending with ``\n``.

    The object has these members, in this order:

    ``movie``, ``frame``
        The movie's number within the run and the frame's within the movie, both from 0.
    ``status``
        ``"decoded"``, ``"dropped"``, ``"undecodable"`` or ``"skipped"``.
    ``capture_time_s``
        Seconds since the movie's first frame, as the recording tells; null where it does not.
    ``arrival_time_s``, ``publish_time_s``
        Seconds since 1970-01-01 UTC, by `readers.live.now_s`: when all that is needed to decode
        the frame was there, and when its message was written.
    ``body_parts``
        For each name x and y in pixels, as in the batch, and the likelihood.

    Numbers have the shortest digits that read back as the same float64, so that they can be
    compared with what is in the files; those that are not finite are null. All is ASCII.
    """
    frames = batch.frames
    poses = _numbers_or_none(batch.poses)
    capture_times_s = _numbers_or_none(frames.time_s)
    arrivals_s = _numbers_or_none(arrival_times_s(batch))
    for row, status in enumerate(frames.status.tolist()):
        message = {
            "movie": movie_number,
            "frame": frames.first_frame_index + row,
            "status": _STATUS_NAMES[status],
            "capture_time_s": capture_times_s[row],
            "arrival_time_s": arrivals_s[row],
            "publish_time_s": now_s(),
            "body_parts": dict(zip(body_parts, poses[row], strict=True)),
        }
        yield _ENCODER.encode(message).encode() + b"\n"


def _numbers_or_none(values: NDArray[np.float64]) -> list[Any]:
    """Make nested lists of an array, with None for what is not finite."""
    numbers: NDArray[Any] = np.where(np.isfinite(values), values.astype(object), np.array(None))
    lists: list[Any] = numbers.tolist()
    return lists


class Outbox:
    """The messages for one subscriber, sent in order, each whole or not at all, without waiting.

    What cannot be sent at once is kept for the next time. When 64 messages wait, a new one replaces
    the oldest that has not been sent in part. Once the subscriber `is_gone`, everything is unsent;
    `num_unsent` counts the messages that did not arrive, or only in part.

    `send` sends as many first bytes as can be sent without waiting, and returns their number. It
    raises `BlockingIOError` if that is none, and another `OSError` if the subscriber is gone.
    """

    def __init__(self, send: Callable[[memoryview], int]) -> None:
        self._send = send
        self._waiting: deque[memoryview] = deque()
        self._first_is_begun = False
        self.num_unsent = 0
        self.is_gone = False

    @property
    def is_dispensable(self) -> bool:
        """True where the subscriber is so far behind that messages are lost."""
        return len(self._waiting) == _LONGEST_QUEUE

    def put(self, message: bytes) -> None:
        """Send a message after those that wait, or as soon as that is possible."""
        self._waiting.append(memoryview(message))
        self._send_waiting()
        if len(self._waiting) > _LONGEST_QUEUE:
            del self._waiting[1 if self._first_is_begun else 0]
            self.num_unsent += 1

    def close(self) -> None:
        """Send what can be sent now; the rest is unsent."""
        self._send_waiting()
        self._give_up()

    def _send_waiting(self) -> None:
        try:
            while self._waiting and not self.is_gone:
                message = self._waiting[0]
                num_sent = self._send(message)
                self._first_is_begun = num_sent < len(message)
                if self._first_is_begun:
                    self._waiting[0] = message[num_sent:]
                else:
                    self._waiting.popleft()
        except BlockingIOError:
            return
        except OSError:
            self.is_gone = True
        if self.is_gone:
            self._give_up()

    def _give_up(self) -> None:
        self.num_unsent += len(self._waiting)
        self._waiting.clear()


class StandardOutputPublisher(MessagePublisher):
    """Publishes messages in JSON, a line each, on the standard output.

    The program that reads it is the one subscriber; nothing else may be written there. The
    descriptor is that of an open file, which stays open.
    """

    address = "stdout"

    def __init__(self, body_parts: Sequence[str], *, descriptor: int = 1) -> None:
        super().__init__(body_parts)
        self._descriptor = descriptor
        self._outbox = Outbox(self._send)

    def open(self, resources: ExitStack) -> None:
        """Check that it can be written to."""
        try:
            select.select([], [self._descriptor], [], 0)  # fails where it is closed
            if os.isatty(self._descriptor):
                # `select` tells of pipes, sockets and files whether a piece can be written without
                # waiting, but not of terminals. They are opened a second time: others that share
                # the standard output would not expect that it is made non-blocking.
                flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK
                self._descriptor = os.open(os.ttyname(self._descriptor), flags)
                resources.callback(os.close, self._descriptor)
        except OSError as error:
            raise InputError(f"stdout: cannot be written to ({error.strerror})") from error
        resources.callback(self._outbox.close)

    @property
    def num_unsent(self) -> int:
        """Messages that were not read in time."""
        return self._outbox.num_unsent

    def publish(self, message: bytes) -> None:
        """Write a line, if it can be written at once."""
        self._outbox.put(message)

    def _send(self, data: memoryview) -> int:
        _, writable, _ = select.select([], [self._descriptor], [], 0)
        if not writable:
            raise BlockingIOError
        return os.write(self._descriptor, data[:_PIECE_LENGTH])


class Subscriber(Outbox):
    """The connection of one subscriber."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection.send)
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_LENGTH)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection

    def receive(self) -> None:
        """Take what it says; a plain socket ignores it."""

    def close(self) -> None:
        """Send what can be sent now, and hang up."""
        super().close()
        with suppress(OSError):
            # Where something is left unread, the other side would be refused our last messages.
            self._connection.recv(_SEND_BUFFER_LENGTH)
        self._connection.close()


class SocketPublisher(MessagePublisher):
    """Publishes messages to all who connect to a socket.

    It has 64 subscribers at most. When one more comes, the oldest that is dispensable gives way,
    such as one that does not read; where there is none, others wait until one has gone.

    The place is a host (a name or a number, v4 or v6) and a port, of which 0 is one that the system
    chooses; or the path of a unix socket, which is removed at the end, and replaced where a killed
    run has left it. `InputError` if this system, or its Python, has no unix sockets.
    """

    make_subscriber: type[Subscriber] = Subscriber

    def __init__(
        self, body_parts: Sequence[str], *, address: str, place: tuple[str, int] | Path
    ) -> None:
        super().__init__(body_parts)
        self.address, self._place = address, place
        if isinstance(place, Path) and not hasattr(socket, "AF_UNIX"):
            raise InputError(f"{address}: this system has no unix sockets; use tcp:PORT")
        self._subscribers: list[Subscriber] = []
        self._num_unsent_to_gone = 0

    def open(self, resources: ExitStack) -> None:
        """Listen from now on."""
        try:
            if isinstance(self._place, Path):
                self._listener = resources.enter_context(unix_listener(self._place))
            else:  # on the first address that the host's name stands for
                found = socket.getaddrinfo(*self._place, type=socket.SOCK_STREAM)
                family, _, _, _, address = found[0]
                listener = socket.create_server(address, family=family)
                self._listener = resources.enter_context(listener)
                self.address = f"{self.address.rpartition(':')[0]}:{listener.getsockname()[1]}"
        except OSError as error:
            reason: object = error.strerror or error  # names not found, and long paths
            if error.errno is not None and error.errno > 0:
                reason = os.strerror(error.errno)
            raise InputError(f"{self.address}: cannot be listened on ({reason})") from error
        self._listener.setblocking(False)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_LENGTH)
        resources.callback(lambda: self._forget(list(self._subscribers)))

    @property
    def num_unsent(self) -> int:
        """Messages that were not read in time, or not by one who went away."""
        unsent = sum(subscriber.num_unsent for subscriber in list(self._subscribers))
        return self._num_unsent_to_gone + unsent

    def publish(self, message: bytes) -> None:
        """Send a message to all who have connected by now."""
        self.accept()
        self.send(message)

    def send(self, message: bytes) -> None:
        """Send a message to the subscribers; those who are gone are forgotten."""
        for subscriber in self._subscribers:
            subscriber.put(message)
        self.forget_gone()

    def accept(self) -> None:
        """Let waiting subscribers in, a few at a time."""
        # A connection that has gone again, or a lack of descriptors, must not end the run.
        with suppress(OSError):
            for _ in range(_MOST_ACCEPTED):
                is_full = len(self._subscribers) >= _MOST_SUBSCRIBERS
                dispensable = [one for one in self._subscribers if is_full and one.is_dispensable]
                if is_full and not dispensable:
                    return
                connection, _ = self._listener.accept()
                self._forget(dispensable[:1])
                self._subscribers.append(self.make_subscriber(connection))

    def forget_gone(self) -> None:
        """Forget the subscribers who are gone."""
        self._forget([subscriber for subscriber in self._subscribers if subscriber.is_gone])

    def _forget(self, subscribers: Sequence[Subscriber]) -> None:
        for subscriber in subscribers:
            subscriber.close()
            self._num_unsent_to_gone += subscriber.num_unsent
            self._subscribers.remove(subscriber)


@contextmanager
def unix_listener(path: Path) -> Iterator[socket.socket]:
    """Listen on a path, which is removed at the end, unless another has taken its place by then.

    `InputError` if there is a file that is no socket, or one that another program listens on;
    `OSError` if the system does not let look, remove or listen.
    """
    if os.path.lexists(path):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise InputError(
                f"{path}: there is a file that is no socket; give the path of a new one"
            )
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            problem = probe.connect_ex(str(path))
        if problem in (0, errno.EAGAIN):  # the second where many wait for that program
            raise InputError(f"{path}: another program listens on this socket; give another path")
        if problem != errno.ECONNREFUSED:
            raise OSError(problem, os.strerror(problem))
        path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        inode = path.lstat().st_ino
        try:
            listener.listen()
            yield listener
        finally:
            with suppress(OSError):  # gone already, or in a folder that is: nothing is left behind
                if path.lstat().st_ino == inode:
                    path.unlink()
