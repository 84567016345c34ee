"""Publish on TCP and unix sockets."""

from __future__ import annotations

import os
import socket
import stat
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from readers import InputError
from sinks.publishing.outbox import Outbox
from sinks.publishing.publisher import MessagePublisher

_MOST_SUBSCRIBERS = 64
_MOST_ACCEPTED = 8
"""At a time, so that a flood of connections does not hold up the poses."""
_SEND_BUFFER_LENGTH = 64 * 1024
"""Bytes that the system keeps for a subscriber. Left alone, it would keep minutes of poses."""
_RECEIVE_BUFFER_LENGTH = 4096
"""Bytes that the system keeps of what a subscriber sends: next to nothing is of interest."""


class Subscriber:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_LENGTH)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self.outbox = Outbox(connection.send)

    @property
    def is_gone(self) -> bool:
        """Whether it cannot be sent anything any more."""
        return self.outbox.is_gone

    @property
    def is_dispensable(self) -> bool:
        """Whether it is so far behind that messages are lost."""
        return self.outbox.is_full

    def put(self, message: bytes) -> None:
        """Send a message, without waiting."""
        self.outbox.put(message)

    def receive(self) -> None:
        """Take what it says: here, nothing is of interest."""

    def close(self) -> None:
        """Send what can be sent now, and hang up."""
        self.outbox.close()
        with suppress(OSError):
            # Where something is left unread, the other side would be refused our last messages.
            self._connection.recv(_SEND_BUFFER_LENGTH)
        self._connection.close()


class SocketPublisher(MessagePublisher):
    """Publishes messages to all who connect to a socket.

    It has 64 subscribers at most. When one more comes, the oldest that is dispensable gives way,
    such as one that does not read; where there is none, others wait until one has gone.
    """

    make_subscriber: type[Subscriber] = Subscriber

    def __init__(self, body_parts: Sequence[str]) -> None:
        super().__init__(body_parts)
        self._subscribers: list[Subscriber] = []
        self._num_unsent_to_gone = 0

    @abstractmethod
    def listen(self, resources: ExitStack) -> socket.socket:
        """Make the socket that subscribers connect to, and set the address."""

    def open(self, resources: ExitStack) -> None:
        """Listen from now on."""
        try:
            self._listener = self.listen(resources)
        except OSError as error:
            raise InputError(f"{self.address}: cannot be listened on ({_reason(error)})") from error
        self._listener.setblocking(False)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_LENGTH)
        resources.callback(self._forget_all)

    @property
    def num_unsent(self) -> int:
        """Messages that were not read in time, or not by one who went away."""
        unsent = sum(subscriber.outbox.num_unsent for subscriber in list(self._subscribers))
        return self._num_unsent_to_gone + unsent

    def publish(self, message: bytes) -> None:
        """Send a line to all who have connected by now."""
        self._accept()
        self._send(message)

    def _send(self, message: bytes) -> None:
        for subscriber in self._subscribers:
            subscriber.put(message)
        self._forget_gone()

    def _accept(self) -> None:
        # One who has gone again, or for whom there is no descriptor left, must not end the run.
        with suppress(OSError):
            for _ in range(_MOST_ACCEPTED):
                is_full = len(self._subscribers) >= _MOST_SUBSCRIBERS
                dispensable = [one for one in self._subscribers if is_full and one.is_dispensable]
                if is_full and not dispensable:
                    return
                connection, _ = self._listener.accept()
                for oldest in dispensable[:1]:
                    self._forget(oldest)
                self._subscribers.append(self.make_subscriber(connection))

    def _forget(self, subscriber: Subscriber) -> None:
        subscriber.close()
        self._num_unsent_to_gone += subscriber.outbox.num_unsent
        self._subscribers.remove(subscriber)

    def _forget_gone(self) -> None:
        for subscriber in [one for one in self._subscribers if one.is_gone]:
            self._forget(subscriber)

    def _forget_all(self) -> None:
        for subscriber in list(self._subscribers):
            self._forget(subscriber)


class TcpPublisher(SocketPublisher):
    """Publishes on a TCP port.

    Parameters
    ----------
    body_parts
        Names in the order of the poses.
    host
        Name or number, v4 or v6, of the address to listen on.
    port
        0-65535; 0 is one that the system chooses.
    """

    def __init__(self, body_parts: Sequence[str], *, host: str, port: int) -> None:
        super().__init__(body_parts)
        self._host = host
        self._port = port
        self.address = _tcp_address(host, port)

    def listen(self, resources: ExitStack) -> socket.socket:
        """Listen on the port."""
        listener = tcp_listener(self._host, self._port, resources)
        self.address = _tcp_address(self._host, listener.getsockname()[1])
        return listener


def _tcp_address(host: str, port: int) -> str:
    return f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"


class UnixPublisher(SocketPublisher):
    """Publishes on a unix socket.

    Parameters
    ----------
    body_parts
        Names in the order of the poses.
    path
        Of the socket, which is removed at the end. One that a killed run has left there is
        replaced.

    Raises
    ------
    InputError
        If this system, or its Python, has no unix sockets.
    """

    def __init__(self, body_parts: Sequence[str], *, path: Path) -> None:
        super().__init__(body_parts)
        self._path = path
        self.address = f"unix:{path}"
        if not hasattr(socket, "AF_UNIX"):
            raise InputError(f"{self.address}: this system has no unix sockets; use tcp:PORT")

    def listen(self, resources: ExitStack) -> socket.socket:
        """Listen on the path."""
        return unix_listener(self._path, resources)


def tcp_listener(host: str, port: int, resources: ExitStack) -> socket.socket:
    """Listen on the first address that a host's name stands for."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _, _, _, address = found[0]
    return resources.enter_context(socket.create_server(address, family=family))


def unix_listener(path: Path, resources: ExitStack) -> socket.socket:
    """Listen on a path, which is removed at the end."""
    clear_socket_path(path)
    listener = resources.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    resources.enter_context(socket_file(path))
    listener.listen()
    return listener


def _reason(error: OSError) -> object:
    """Tell in the system's own words; names that are not found, and long paths, have none."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or error


def clear_socket_path(path: Path) -> None:
    """Remove a socket that nobody listens on any more.

    Raises
    ------
    InputError
        If there is a file that is no socket, or one that somebody listens on.
    OSError
        If the system does not let look, or remove it.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise InputError(f"{path}: there is a file that is no socket; give the path of a new one")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:  # somebody listens, with a long queue
            pass
    raise InputError(f"{path}: another program listens on this socket; give another path")


@contextmanager
def socket_file(path: Path) -> Iterator[None]:
    """Remove a socket at the end of the block, unless another has taken its place by then."""
    inode = path.lstat().st_ino
    try:
        yield
    finally:
        with suppress(OSError):  # gone already, or in a folder that is: nothing is left behind
            if path.lstat().st_ino == inode:
                path.unlink()
