"""Publishing on TCP and unix sockets: subscribers come, sleep and go, and the run goes on."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import pytest

from readers import InputError
from sinks.publishing import make_publisher
from sinks.publishing.publisher import SocketPublisher
from tests.sinks.publishing.live import BODY_PARTS, frame_numbers, live_batch, read_message

NUM_FRAMES = 20_000
"""Several times what the system and the publisher keep for a subscriber that does not read."""

Connect = Callable[[], socket.socket]


def made(spec: str) -> SocketPublisher:
    publisher = make_publisher(spec, BODY_PARTS)
    assert isinstance(publisher, SocketPublisher)
    return publisher


def connected(address: str) -> socket.socket:
    kind, _, rest = address.partition(":")
    if kind == "unix":
        subscriber = socket.socket(socket.AF_UNIX)
        subscriber.connect(rest)
        return subscriber
    host, _, port = rest.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)))


@pytest.fixture(params=["tcp", "unix"])
def closed_publisher(request: pytest.FixtureRequest, tmp_path: Path) -> SocketPublisher:
    if request.param == "tcp":
        return made("tcp:0")
    return made(f"unix:{tmp_path}/poses.sock")


@pytest.fixture
def publisher(closed_publisher: SocketPublisher) -> Iterator[SocketPublisher]:
    with closed_publisher:
        yield closed_publisher


@pytest.fixture
def connect(publisher: SocketPublisher) -> Iterator[Connect]:
    with ExitStack() as connections:
        yield lambda: connections.enter_context(connected(publisher.address))


def read_lines(subscriber: socket.socket, num_lines: int) -> list[int]:
    with subscriber.makefile("rb") as file:
        return [read_message(file.readline())["frame"] for _ in range(num_lines)]


def test_every_subscriber_gets_every_frame(publisher: SocketPublisher, connect: Connect) -> None:
    subscribers = [connect(), connect()]
    publisher.begin_movie(1)
    publisher.write(live_batch(0, 2))
    publisher.write(live_batch(2))

    assert [read_lines(one, 3) for one in subscribers] == [[0, 1, 2]] * 2
    assert publisher.num_unsent == 0


def test_messages_tell_the_movie(publisher: SocketPublisher, connect: Connect) -> None:
    with connect().makefile("rb") as file:
        for number in (0, 1):
            publisher.begin_movie(number)
            publisher.write(live_batch(5))

        read = [read_message(file.readline()) for _ in range(2)]
    assert [(message["movie"], message["frame"]) for message in read] == [(0, 5), (1, 5)]


def test_a_subscriber_that_comes_late_begins_with_the_next_frame(
    publisher: SocketPublisher, connect: Connect
) -> None:
    publisher.write(live_batch(0, 10))
    late = connect()
    publisher.write(live_batch(10, 2))

    assert read_lines(late, 2) == [10, 11]
    assert publisher.num_unsent == 0


def test_a_subscriber_that_sleeps_misses_whole_messages_and_then_gets_the_newest(
    publisher: SocketPublisher, connect: Connect
) -> None:
    sleeper, reader = connect(), connect()
    received = b""
    for first in range(0, NUM_FRAMES, 50):
        publisher.write(live_batch(first, 50))
        assert read_lines(reader, 50) == list(range(first, first + 50))
    assert publisher.num_unsent > 0
    last = NUM_FRAMES - 1
    while not received.endswith(b"\n") or read_message(received.splitlines()[-1])["frame"] < last:
        readable, _, _ = select.select([sleeper], [], [], 0.01)
        if readable:
            received += sleeper.recv(65536)
        else:
            last += 1
            publisher.write(live_batch(last))
            read_lines(reader, 1)

    numbers = frame_numbers(received)
    assert numbers == sorted(set(numbers))
    assert set(range(NUM_FRAMES - 40, NUM_FRAMES)) <= set(numbers)
    assert len(numbers) + publisher.num_unsent == last + 1


def test_a_subscriber_that_goes_away_is_forgotten_and_the_others_stay(
    publisher: SocketPublisher, connect: Connect
) -> None:
    leaver, stayer = connect(), connect()
    publisher.write(live_batch(0, 3))
    leaver.close()
    for frame in range(3, 6):
        publisher.write(live_batch(frame))
    unsent = publisher.num_unsent
    publisher.write(live_batch(6, 20))

    assert read_lines(stayer, 26) == list(range(26))
    assert publisher.num_unsent == unsent
    assert 0 < unsent <= 3


def test_more_subscribers_than_64_wait_until_one_has_gone(
    publisher: SocketPublisher, connect: Connect
) -> None:
    first, *_, last = [connect() for _ in range(65)]
    publisher.write(live_batch(0, 8))  # eight are let in with each
    first.close()
    for frame in range(8, 12):
        publisher.write(live_batch(frame))

    assert read_lines(last, 1)[0] in (9, 10, 11)


def test_when_all_places_are_taken_one_that_does_not_read_gives_way(
    publisher: SocketPublisher, connect: Connect
) -> None:
    *_, last = [connect() for _ in range(65)]
    for first in count(step=50):
        publisher.write(live_batch(first, 50))
        if select.select([last], [], [], 0)[0]:
            break

    assert read_lines(last, 1)[0] > 0


def test_what_subscribers_send_is_not_kept(publisher: SocketPublisher, connect: Connect) -> None:
    talker = connect()
    talker.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    talker.setblocking(False)
    num_sent = 0
    with suppress(BlockingIOError):
        while num_sent < 2**20:
            num_sent += talker.send(bytes(4096))
            publisher.write(live_batch(0))

    assert num_sent < 2**16


def test_subscribers_read_to_the_end(closed_publisher: SocketPublisher) -> None:
    with ExitStack() as connections:
        with closed_publisher as publisher:
            subscriber = connections.enter_context(connected(publisher.address))
            publisher.write(live_batch(0, 20))

        with subscriber.makefile("rb") as file:
            assert frame_numbers(file.read()) == list(range(20))


def test_a_port_that_is_taken_is_refused_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError) as raised:
            made(f"tcp:{port}").__enter__()

    assert re.fullmatch(
        rf"tcp:127\.0\.0\.1:{port}: cannot be listened on \(Address already in use\)",
        str(raised.value),
    )


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be listened on"):
        made("tcp:192.0.2.1:0").__enter__()


def test_only_this_machine_hears_a_port_on_loopback() -> None:
    with made("tcp:[::1]:0") as publisher:
        assert publisher.address.startswith("tcp:[::1]:")
        connected(publisher.address).close()


def test_a_socket_that_a_killed_run_has_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "poses.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))

    with made(f"unix:{path}") as publisher, connected(publisher.address) as subscriber:
        publisher.write(live_batch(0))
        assert read_lines(subscriber, 1) == [0]


def test_the_socket_is_gone_at_the_end(tmp_path: Path) -> None:
    with made(f"unix:{tmp_path}/poses.sock"):
        pass

    assert list(tmp_path.iterdir()) == []


def test_what_has_taken_the_sockets_place_stays(tmp_path: Path) -> None:
    path = tmp_path / "poses.sock"
    with made(f"unix:{path}"):
        (tmp_path / "other").write_text("kept")
        (tmp_path / "other").replace(path)

    assert path.read_text() == "kept"


def test_a_socket_that_another_program_listens_on_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "poses.sock"
    with made(f"unix:{path}") as first, connected(first.address) as subscriber:
        with pytest.raises(InputError, match="another program listens"):
            made(f"unix:{path}").__enter__()
        first.write(live_batch(0))
        assert read_lines(subscriber, 1) == [0]


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    path.write_text("kept")

    with pytest.raises(InputError, match="is no socket"):
        made(f"unix:{path}").__enter__()

    assert path.read_text() == "kept"


@pytest.mark.parametrize("name", ["missing/poses.sock", "x" * 200])
def test_a_path_that_cannot_be_a_socket_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be listened on"):
        made(f"unix:{tmp_path}/{name}").__enter__()
