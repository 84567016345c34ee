"""The publishers of poses to other programs, by what the user writes on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from readers import InputError
from sinks.publishing.lsl import LslPublisher
from sinks.publishing.publisher import (
    LARGEST_PORT,
    Publisher,
    SocketPublisher,
    StandardOutputPublisher,
)
from sinks.publishing.zeromq import ZeroMqPublisher

__all__ = ["Publisher", "check_spec", "make_publisher", "socket_path"]

_TCP = re.compile(r"(?:(?P<host>[^:\[\]]+|\[[^\[\]]+\]):)?(?P<port>[0-9]{1,5})", re.ASCII)


def make_publisher(spec: str, body_parts: Sequence[str]) -> Publisher:
    """Make the publisher that a specification asks for; enter it to begin.

    It is ``stdout``, ``tcp:[HOST:]PORT`` (the host is 127.0.0.1 where none is given, port 0 is one
    that the system chooses), ``unix:PATH``, ``zmq:ENDPOINT`` or ``lsl:NAME``. The body parts are
    names in the order of the poses. `InputError` if the specification is none of these, or needs a
    library that is not installed.
    """
    kind, _, rest = spec.partition(":")
    if spec == "stdout":
        return StandardOutputPublisher(body_parts)
    if kind == "tcp":
        found = _TCP.fullmatch(rest)
        if found is None or int(found["port"]) > LARGEST_PORT:
            raise InputError(
                f"{spec!r}: must be tcp:[HOST:]PORT with a port of 0-{LARGEST_PORT}, "
                "such as tcp:5555 or tcp:0.0.0.0:5555"
            )
        host, port = found["host"] or "127.0.0.1", int(found["port"])
        place = (host.strip("[]"), port)
        return SocketPublisher(body_parts, address=f"tcp:{host}:{port}", place=place)
    if kind == "unix" and rest:
        path = Path(rest)
        return SocketPublisher(body_parts, address=f"unix:{path}", place=path)
    if kind == "zmq":
        return ZeroMqPublisher(body_parts, endpoint=rest)
    if kind == "lsl":
        return LslPublisher(body_parts, name=rest)
    raise InputError(
        f"{spec!r}: poses are published on stdout, tcp:[HOST:]PORT, unix:PATH, zmq:ENDPOINT "
        "or lsl:NAME"
    )


def check_spec(spec: str) -> None:
    """Raise an `InputError` if a specification asks for nothing that can be made."""
    make_publisher(spec, ())


def socket_path(spec: str) -> Path | None:
    """Give the path of the socket that a specification asks for; None for one without a path."""
    for prefix in ("unix:", "zmq:ipc://"):
        if spec.startswith(prefix):
            return Path(spec.removeprefix(prefix))
    return None
