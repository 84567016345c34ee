"""Where the page is served, and to whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

SHORTEST_TOKEN = 16
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
        What requests must carry; None for nothing, on loopback only.
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
    if match["host"] and match["host"].startswith("[") and not _is_ipv6(host):
        raise ValueError(f"preview must have an IPv6 address in its brackets, got {text!r}")
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise ValueError(
            f"token of the preview must have at least {SHORTEST_TOKEN} characters, got {len(token)}"
        )
    if token is None and not is_loopback(host):
        raise ValueError(
            f"preview can be seen by other machines at {host}: that needs a token of at least "
            f"{SHORTEST_TOKEN} characters; without one, only loopback such as 127.0.0.1 is allowed"
        )
    return PageAddress(host, int(match["port"]), token)


def is_loopback(host: str) -> bool:
    """Tell whether a host, without brackets, is this machine as only its own programs see it.

    Of names, ``localhost`` alone is: what others mean is for a name server to say, which may be
    an attacker's.
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_ipv6(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv6Address)
    except ValueError:
        return False
