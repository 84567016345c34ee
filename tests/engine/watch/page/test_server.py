"""Whom the page's server answers, whatever the others do."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from engine.watch.page import server
from engine.watch.page.server import Response, parse_address

TOKEN = "a-token-of-sixteen"  # noqa: S105 -- of a page on loopback
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
ASKED = HEAD + b"\r\n"
MOST_CONNECTIONS = 32

Connect = Callable[..., socket.socket]


@contextmanager
def serving(
    token: str | None = None, before_answers: Callable[[], object] = lambda: None
) -> Iterator[tuple[str, int]]:
    def answer(_query: Mapping[str, str]) -> Response:
        before_answers()
        return Response(b"the page")

    def fail(_query: Mapping[str, str]) -> Response:
        raise KeyError("a line\nbreak")

    responders = {"/": answer, "/fails": fail}
    with server.serving(parse_address("127.0.0.1:0", token), responders) as port:
        yield "127.0.0.1", port


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as connections:
        yield lambda *arguments, **options: connections.enter_context(
            socket.create_connection(*arguments, **options)
        )


def answer_to(place: tuple[str, int], said: bytes) -> bytes:
    """Say something and nothing more; give all that is answered."""
    answer = b""
    with socket.create_connection(place) as connection:
        # What was said too much is refused with a reset.
        try:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65536):
                answer += received
        except ConnectionError:
            pass
    return answer


def read_answer(connection: socket.socket) -> bytes:
    """Read one answer's status and body."""
    with connection.makefile("rb", buffering=0) as file:
        status = file.readline()
        headers = b"".join(iter(file.readline, b"\r\n"))
        found = re.search(rb"Content-Length: ([0-9]+)", headers)
        return status + file.read(int(found[1])) if found else status


def test_a_connection_is_answered_again_and_again(connect: Connect) -> None:
    with serving() as place:
        connection = connect(place)
        for asked in (ASKED, ASKED[:9], ASKED[9:] + ASKED, b""):
            connection.sendall(asked)
        answers = [read_answer(connection) for _ in range(3)]

    assert answers == [b"HTTP/1.1 200 OK\r\nthe page"] * 3


@pytest.mark.parametrize("line", [b"GET / HTTP/1.0", b"GET / HTTP/1.1\r\nConnection: Close"])
def test_who_asks_for_one_answer_gets_one(line: bytes) -> None:
    with serving() as place:
        answer = answer_to(place, (line + b"\r\nHost: localhost\r\n\r\n") * 2)

    assert answer.count(b"the page") == 1


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),  # HTTP/0.9
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / \x00HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /%zz?%ff=%&after=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\nHost: [\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", 403),
        (b"GET /" + b"x" * 10_000, 431),
        (HEAD + b"X: y\r\n" * 2_000, 431),
    ],
)
def test_what_is_no_request_is_refused(
    capfd: pytest.CaptureFixture[str], said: bytes, status: int
) -> None:
    with serving() as place, socket.create_connection(place) as connection:
        connection.sendall(said)
        assert read_answer(connection).startswith(b"HTTP/1.1 %d " % status)

    assert capfd.readouterr() == ("", "")


# Parts of requests, good ones and bad ones.
PARTS = [
    *(
        b"GET ",
        b"GET /",
        b"GET //[",
        b"POST /",
        b"/",
        b"?token=",
        b"?token=%ff%zz",
        b"&a=b;c",
        b" ",
    ),
    *(b" ", b" HTTP/1.1", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/9", b"\r\n", b"\n", b"\0"),
    *(b"\r\n\r\n", b"Host: localhost\r\n", b"Host:", b"Host: [::1\r\n", b": ", b"\xff\xfe"),
    *(b"Authorization: Bearer \xe9\r\n", b"Authorization: ", b" folded\r\n", b"x: y\r\n" * 300),
    *(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"Content-Length: -1\r\n", b"a" * 3_000),
]


def garbage(rng: np.random.Generator) -> bytes:
    chosen = rng.integers(2 * len(PARTS), size=rng.integers(12))
    return b"".join(PARTS[i] if i < len(PARTS) else rng.bytes(i % 20) for i in chosen)


def test_whatever_is_said_without_the_token_is_refused_in_silence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "_PAUSE_S", 0.0001)
    rng = np.random.default_rng(0)
    with serving(TOKEN) as place:
        for _ in range(2_000):
            said = garbage(rng)
            answer = answer_to(place, said)
            assert answer == b"" or re.match(rb"HTTP/1\.1 4[0-9][0-9] ", answer), said
        asked = HEAD + b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
        assert b"the page" in answer_to(place, asked)

    assert capfd.readouterr() == ("", "")


def test_a_refusal_ends_the_connection() -> None:
    with serving(TOKEN) as place:
        assert answer_to(place, ASKED * 3).count(b"HTTP/1.1 403") == 1


def test_a_failure_of_our_own_is_told_in_one_line_once(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as place:
        for _ in range(3):
            assert answer_to(place, ASKED.replace(b"/ ", b"/fails ")) == b""

    assert capfd.readouterr().err.splitlines() == [
        r"preview: a request was not answered (KeyError('a line\nbreak'))"
    ]


@pytest.mark.parametrize("said", [b"", b"G", HEAD])
def test_connections_that_do_not_finish_their_requests_give_way(
    connect: Connect, said: bytes
) -> None:
    with serving(TOKEN) as place:
        for _ in range(3 * MOST_CONNECTIONS):
            connect(place).sendall(said)
        asked = ASKED.replace(b"/ ", b"/?token=" + TOKEN.encode() + b" ")

        assert b"the page" in answer_to(place, asked)


def test_who_has_been_answered_stays_when_others_come(connect: Connect) -> None:
    with serving(TOKEN) as place:
        known = connect(place)
        asked = HEAD + b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
        known.sendall(asked)
        first = read_answer(known)
        for _ in range(3 * MOST_CONNECTIONS):
            connect(place)
        answer_to(place, ASKED)
        known.sendall(asked)

        assert read_answer(known) == first == b"HTTP/1.1 200 OK\r\nthe page"


def test_one_address_does_not_take_the_places_of_another(connect: Connect) -> None:
    with serving() as place:
        other = connect(place, source_address=("127.0.0.2", 0))
        for _ in range(3 * MOST_CONNECTIONS):
            connect(place)
        answer_to(place, ASKED)
        other.sendall(ASKED)

        assert read_answer(other) == b"HTTP/1.1 200 OK\r\nthe page"


def test_one_more_than_can_be_answered_at_a_time_is_refused(connect: Connect) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        begun.release()
        go_on.wait()

    with serving(before_answers=wait) as place:
        asking = [connect(place) for _ in range(MOST_CONNECTIONS)]
        for connection in asking:
            connection.sendall(ASKED)
            begun.acquire()
        refused = answer_to(place, ASKED)
        go_on.set()
        answers = {read_answer(connection) for connection in asking}

    assert refused == b""
    assert answers == {b"HTTP/1.1 200 OK\r\nthe page"}


def test_a_head_that_comes_bit_by_bit_has_its_time(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setattr(server, "_LONGEST_HEAD_S", 0.1)
    with serving() as place:
        dripping = connect(place)
        dripping.sendall(b"GET /")
        try:
            for _ in range(8_000):
                if select.select([dripping], [], [], 0.001)[0]:
                    break
                dripping.sendall(b"x")
            else:
                pytest.fail("it has its time and its bytes")
            assert dripping.recv(1) == b""
        except ConnectionError:
            pass  # it was ended while the next byte was on its way


def test_no_thread_is_left(connect: Connect) -> None:
    before = threading.active_count()
    with serving() as place:
        for _ in range(3 * MOST_CONNECTIONS):
            connect(place)

    assert threading.active_count() == before
