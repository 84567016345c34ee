"""Values that others chose, in messages that stay one short line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.untrusted.quoting import printable, short, short_list


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("nose", "'nose'"),
        (0.5, "0.5"),
        (None, "None"),
        (["a", 1], "['a', 1]"),
        ("a\nb\x1b[2J", r"'a\nb\x1b[2J'"),
        ("\u202egpj.exe", r"'\u202egpj.exe'"),
        (1 << 20_000, "an integer of 20001 bits"),
    ],
    ids=["text", "number", "none", "list", "escape", "direction", "integer"],
)
def test_a_value_is_written_as_python_does(value: object, text: str) -> None:
    assert short(value) == text


def bomb() -> list[Any]:
    value: list[Any] = ["lol"]
    for _ in range(60):
        value = [value] * 10
    return value


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, ["x" * 10**6], bomb(), endless(), {"\n" * 10**6: [[[[[[1]]]]]]}, [10**9000] * 9],
    ids=["long", "long within", "bomb", "endless", "key", "integers"],
)
def test_a_long_value_is_cut(value: object) -> None:
    text = short(value)
    assert len(text) <= 500  # of 100 characters, each of which may have to be escaped
    assert text.isprintable()


def test_many_names_are_counted() -> None:
    assert short_list(["a", "b"]) == "a, b"
    names = [f"n{index}" for index in range(1000)]
    assert short_list(names).endswith(", n18, n19 … (980 more)")
    assert len(short_list(["n" * 10**6])) == 100


@given(st.text())
def test_what_cannot_be_seen_is_escaped_and_the_rest_stays(text: str) -> None:
    assert printable(text).isprintable()
    assert "".join(map(printable, text)) == printable(text)
    assert (printable(text) == text) == text.isprintable()


def test_a_path_stays_on_its_line() -> None:
    assert printable("/tmp/été") == "/tmp/été"  # noqa: S108 -- not a file
    assert printable("a\nb\udcff") == r"a\nb\udcff"
