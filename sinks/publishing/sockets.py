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
_SEND_BUFFER_LENGTH = 64 * 1024
"""Bytes that the system keeps for a subscriber. Left alone, it would keep minutes of poses."""


class _Subscriber:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_LENGTH)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self.outbox = Outbox(connection.send)

    def close(self) -> None:
        self.outbox.close()
        self._connection.close()


class SocketPublisher(MessagePublisher):
    """Publishes messages in JSON, a line each, to all who connect to a socket.

    It accepts up to 64 subscribers; others wait until one of these has gone.
    """

    def __init__(self, body_parts: Sequence[str]) -> None:
        super().__init__(body_parts)
        self._subscribers: list[_Subscriber] = []
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
        resources.callback(self._forget_all)

    @property
    def num_unsent(self) -> int:
        """Messages that were not read in time, or not by one who went away."""
        unsent = sum(subscriber.outbox.num_unsent for subscriber in self._subscribers)
        return self._num_unsent_to_gone + unsent

    def publish(self, message: bytes) -> None:
        """Send a line to all who have connected by now."""
        self._accept()
        for subscriber in self._subscribers:
            subscriber.outbox.put(message)
        for subscriber in [one for one in self._subscribers if one.outbox.is_gone]:
            self._forget(subscriber)

    def _accept(self) -> None:
        # One who has gone again, or for whom there is no descriptor left, must not end the run.
        with suppress(OSError):
            while len(self._subscribers) < _MOST_SUBSCRIBERS:
                connection, _ = self._listener.accept()
                self._subscribers.append(_Subscriber(connection))

    def _forget(self, subscriber: _Subscriber) -> None:
        subscriber.close()
        self._num_unsent_to_gone += subscriber.outbox.num_unsent
        self._subscribers.remove(subscriber)

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
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        listener = resources.enter_context(socket.create_server(address, family=family))
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
        clear_socket_path(self._path)
        listener = resources.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(self._path))
        resources.enter_context(socket_file(self._path))
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
