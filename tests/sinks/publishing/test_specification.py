"""What the user writes to have poses published."""

from __future__ import annotations

import socket
import sys

import pytest

from readers import InputError
from sinks.publishing import check_spec, make_publisher


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        ("stdout", "stdout"),
        ("tcp:5555", "tcp:127.0.0.1:5555"),
        ("tcp:0.0.0.0:5555", "tcp:0.0.0.0:5555"),
        ("tcp:rig-2.lab:65535", "tcp:rig-2.lab:65535"),
        ("tcp:[::1]:5555", "tcp:[::1]:5555"),
        ("unix:/run/poses.sock", "unix:/run/poses.sock"),
        ("zmq:tcp://127.0.0.1:5556", "zmq:tcp://127.0.0.1:5556"),
        ("lsl:mouse 1", "lsl:mouse 1"),
    ],
)
def test_a_specification_names_protocol_and_address(spec: str, address: str) -> None:
    check_spec(spec)

    assert make_publisher(spec, ["nose"]).address == address


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ("", "stdout, tcp:"),
        ("stdout:", "stdout, tcp:"),
        ("udp:5555", "stdout, tcp:"),
        ("unix:", "unix:PATH"),
        ("tcp:", "0-65535"),
        ("tcp:65536", "0-65535"),
        ("tcp:-1", "0-65535"),
        ("tcp:٣", "0-65535"),
        ("tcp::5555", "0-65535"),
        ("tcp:::1:5555", "0-65535"),
        ("tcp:localhost", "0-65535"),
        ("zmq:", "tcp://"),
        ("zmq:5556", "tcp://"),
        ("zmq:inproc://poses", "tcp://"),
        ("zmq:tcp://127.0.0.1:port", "tcp://"),
        ("zmq:tcp://127.0.0.1:65536", "tcp://"),
        ("zmq:tcp://127.0.0.1:5556;tcp://127.0.0.1:5557", "tcp://"),
        ("zmq:ipc://", "ipc://PATH"),
        ("zmq:ipc://@name", "ipc://PATH"),
        ("zmq:ipc://*", "ipc://PATH"),
        ("lsl:", "lsl:mouse"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(spec: str, allowed: str) -> None:
    with pytest.raises(InputError) as raised:
        check_spec(spec)

    assert allowed in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_library_that_is_missing_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)

    with pytest.raises(InputError) as raised:
        check_spec("lsl:mouse")

    assert str(raised.value) == (
        "lsl: needs pylsl, which is not installed: pip install 'posestream[lsl]'"
    )


def test_where_there_are_no_unix_sockets_they_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")

    with pytest.raises(InputError, match="no unix sockets"):
        check_spec("unix:/run/poses.sock")
