"""The publisher on TCP and unix sockets."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from readers import InputError
from sinks.publishing.publisher import MessagePublisher, Outbox

LARGEST_PORT = 65535
_MOST_SUBSCRIBERS = 64
_MOST_ACCEPTED = 8
"""At a time, so that a flood of connections does not hold up the poses."""
_SEND_BUFFER_LENGTH = 64 * 1024
"""Bytes that the system keeps for a subscriber. Left alone, it would keep minutes of poses."""
_RECEIVE_BUFFER_LENGTH = 4096
"""Bytes that the system keeps of what a subscriber sends: next to nothing is of interest."""


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
