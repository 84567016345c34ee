"""The address of the page, and the token that requests must carry."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

TOKEN_VARIABLE = "POSESTREAM_PREVIEW_TOKEN"  # noqa: S105 -- the name of a variable
_SHORTEST = 16
_LONGEST_FILE = 4096
_LAST_PORT = 65535
_PARTS = re.compile(r"(?:(?P<host>[^\[\]:]+|\[[^\[\]]+\]):)?(?P<port>[0-9]{1,5})", re.ASCII)


@dataclass(frozen=True)
class PageAddress:
    """An address to serve on, and what a request must carry.

    Attributes
    ----------
    host
        A name or an address of this machine, without brackets.
    port
        0 for any that is free.
    token
        The text that requests must carry; None for none, on loopback only.
    """

    host: str
    port: int
    token: str | None

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is an address of version 6."""
        return ":" in self.host

    @property
    def text(self) -> str:
        """Host and port as in a URL."""
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


def parse_address(text: str, token: str | None = None) -> PageAddress:
    """Read ``PORT`` (on 127.0.0.1) or ``HOST:PORT``, with an IPv6 address in brackets.

    Raises
    ------
    ValueError
        In one line: if it is neither, if the port is above 65535, if the token has fewer than 16
        characters, or if others than this machine's programs could reach it and there is none.
    """
    match = _PARTS.fullmatch(text)
    if match is None or int(match["port"]) > _LAST_PORT:
        raise ValueError(
            f"preview must be PORT or HOST:PORT with a port of 0 to {_LAST_PORT}, such as 8080 or "
            f"[::1]:8080, got {text!r}"
        )
    host = (match["host"] or "127.0.0.1").strip("[]")
    if "[" in text and not isinstance(_ip_address(host), IPv6Address):
        raise ValueError(f"preview must have an IPv6 address in its brackets, got {text!r}")
    if token is not None and len(token) < _SHORTEST:
        raise ValueError(
            f"token of the preview must have at least {_SHORTEST} characters, got {len(token)}"
        )
    if token is None and not is_loopback(host):
        raise ValueError(
            f"preview can be seen by other machines at {host}: that needs a token of at least "
            f"{_SHORTEST} characters; without one, only loopback such as 127.0.0.1 is allowed"
        )
    return PageAddress(host, int(match["port"]), token)


def is_loopback(host: str) -> bool:
    """Tell whether a host, without brackets, is this machine as only its own programs see it.

    Of names, only ``localhost`` is: the meaning of others comes from a name server, which may be
    an attacker's.
    """
    address = _ip_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _ip_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def find_token(text: str | None, path: Path | None) -> str | None:
    """Give the token that was written out, or is in a file, or else in the environment.

    Raises
    ------
    ValueError
        In one line, without the token: if there are a text and a file, or the file cannot be
        read, can be read or written by other users, or is not one line of text.
    """
    if path is None:
        return os.environ.get(TOKEN_VARIABLE) or None if text is None else text
    if text is not None:
        raise ValueError("preview token: give it as text or as a file, not both")
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"preview token file {path}: cannot be read ({error.strerror})") from error
    if os.name == "posix" and mode & 0o077:
        raise ValueError(
            f"preview token file {path}: other users may use it (mode {mode & 0o777:o}), must be "
            "yours alone: chmod 600 FILE"
        )
    token = content.decode(errors="surrogateescape").strip()
    if len(content) > _LONGEST_FILE or not token.isprintable():
        raise ValueError(
            f"preview token file {path}: must hold one line of text, at most {_LONGEST_FILE} bytes"
        )
    return token
