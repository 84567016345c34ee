"""Where the page may be served."""

import pytest

from engine.watch.page import parse_address

TOKEN = "0123456789abcdef"  # noqa: S105 -- of no page at all


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("8080", "127.0.0.1", 8080),
        ("0", "127.0.0.1", 0),
        ("127.0.0.9:80", "127.0.0.9", 80),
        ("localhost:65535", "localhost", 65535),
        ("[::1]:8080", "::1", 8080),
    ],
)
def test_loopback_needs_no_token(text: str, host: str, port: int) -> None:
    address = parse_address(text)

    assert (address.host, address.port, address.token) == (host, port, None)
    assert address.is_ipv6 == (":" in host)


@pytest.mark.parametrize("text", ["0.0.0.0:80", "192.168.1.7:80", "[::]:80", "lab-pc:80"])
def test_what_others_can_reach_needs_one(text: str) -> None:
    with pytest.raises(ValueError, match="needs a token of at least 16 characters"):
        parse_address(text)
    with pytest.raises(ValueError, match="must have at least 16 characters, got 15"):
        parse_address(text, TOKEN[:15])

    assert parse_address(text, TOKEN).token == TOKEN


@pytest.mark.parametrize(
    "text", ["", "port", "65536", "-1", ":80", "::1:80", "[lab]:80", "a:b:80", "80\n", "٨٠"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="preview must"):
        parse_address(text)
