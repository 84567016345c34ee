"""The page's address, and its token from the command line, a file or the environment."""

import os
from pathlib import Path

import pytest

from engine.watch.page.server import TOKEN_VARIABLE, find_token, parse_address

TOKEN = "0123456789 abcdef"  # noqa: S105 -- of no page at all


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


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def token_file(folder: Path, content: bytes = TOKEN.encode(), *, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_without_any_there_is_none() -> None:
    assert find_token(None, None) is None


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b" \n\n"])
def test_it_is_a_files_one_line(tmp_path: Path, ending: bytes) -> None:
    assert find_token(None, token_file(tmp_path, TOKEN.encode() + ending)) == TOKEN


def test_what_is_given_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "of the environment")

    assert find_token(None, None) == "of the environment"
    assert find_token("of the command", None) == "of the command"
    assert find_token("", None) == ""  # and is refused for its length
    assert find_token(None, token_file(tmp_path)) == TOKEN


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "")

    assert find_token(None, None) is None


@pytest.mark.skipif(os.name != "posix", reason="users of files are told by modes")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ValueError, match=f"mode {mode:o}.*chmod 600") as raised:
        find_token(None, token_file(tmp_path, mode=mode))

    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize("content", [b"two\nlines of text", b"\xff" * 20, b"\0" * 20, b"x" * 5000])
def test_a_file_that_is_not_one_line_of_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match="must hold one line of text") as raised:
        find_token(None, token_file(tmp_path, content))

    assert "\n" not in str(raised.value)
    assert "two" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match=f"{path}: cannot be read"):
            find_token(None, path)


def test_text_and_a_file_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not both"):
        find_token(TOKEN, token_file(tmp_path))
