"""Which YAML is read, and what is refused before it takes time or memory."""

import os
from pathlib import Path
from typing import Any

import pytest

from engine.untrusted.small_files import SettingsError, read_limited, read_yaml

LIMIT = 2**20


def read(folder: Path, text: str | bytes) -> Any:
    path = folder / "settings.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path, LIMIT, names="names")


def test_plain_values_are_read(tmp_path: Path) -> None:
    text = "a: 1\nb: [x, 2.5, true, null, !!str 5]\nc: {d: 'e', 3: |\n  text\n  }\n"
    assert read(tmp_path, "a: 1\nb: [x, 2.5, true, null, !!str 5]\nc: {d: 'e', 3: f}\n") == {
        "a": 1,
        "b": ["x", 2.5, True, None, "5"],
        "c": {"d": "e", 3: "f"},
    }
    with pytest.raises(SettingsError):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "name",
    [
        *("yes", "No", "ON", "off", "y", "n", "true", "null", "~", "01", "1.10", "1_0", "0x1F"),
        *("12:30", "2020-01-01", "2020-13-45", ".inf", "=", "été", "🐭"),
    ],
)
def test_names_stay_as_they_are_written(tmp_path: Path, name: str) -> None:
    content = read(tmp_path, f"names: [{name}, '{name}', [{name}, {name}]]")

    assert content == {"names": [name, name, [name, name]]}


def test_an_alias_is_a_name_where_a_name_stands_alone(tmp_path: Path) -> None:
    text = "a: &a [on, 01]\nnames: *a\nb: *a\n"

    assert read(tmp_path, text) == {"a": [True, 1], "names": ["on", "01"], "b": [True, 1]}


def test_a_few_aliases_are_read_as_what_they_stand_for(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &x [1, 2]\nb: *x\nc: {<<: &m {d: 1}, e: 2}\nf: *m\n") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": 1, "e": 2},
        "f": {"d": 1},
    }


def laughs(form: str) -> str:
    lines = ["a0: &a0 [lol, lol]" if form == "list" else "a0: &a0 {k: v}"]
    for level in range(1, 30):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        value = f"[{aliases}]" if form == "list" else f"{{<<: [{aliases}]}}"
        lines.append(f"a{level}: &a{level} {value}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: !!python/object/apply:os.system ['true']", "has a tag"),
        ("a: !!python/name:os.system", "only plain values are read"),
        ("a: !mine 5", "has a tag '!mine'"),
        ("a: !!binary aGVsbG8=", "has a tag"),
        ("a: !!bool x", "has a tag 'tag:yaml.org,2002:bool'"),
        ("a: !!int ''", "has a tag 'tag:yaml.org,2002:int'"),
        ("a: !!map [1]", "has a tag 'tag:yaml.org,2002:map'"),
        (laughs("list"), "with its aliases written out"),
        (laughs("merge"), "with its aliases written out"),
        ("a: &a [*a]", "has an alias 'a' of nothing that stands before it"),
        ("a: *b", "has an alias 'b' of nothing"),
        ("[" * 100_000, "has more than 32 levels"),
        ("{a: " * 50_000, "has more than 32 levels"),
        ("- " * 100_000, "has more than 32 levels"),
        ("[" + "1," * 200_000 + "]", "has more than 100000 values"),
        ("a: " + "1:" * 100_000 + "1", "has a text of more than 10000 characters"),
        ("a: " + "9" * 9000, "is not YAML"),
        ("a: 1\na: 2", "has 'a' twice"),
        ("a: {b: 1, c: 2, b: 3}", "has 'b' twice"),
        ("? [a]\n: 1", "is not YAML"),
        ("a: b: c", "is not YAML (mapping values are not allowed in this context, line 1)"),
        ("day: 2020-13-45", "is not YAML"),
        ("%YAML 9.9\n--- a", "is not YAML"),
        ("a: 1\n---\nb: 2", "is not YAML"),
        ("\0", "is not YAML"),
        (b"\xff\xfea\0", "is not text in UTF-8 (byte 0)"),
        (b"a: \xe9", "is not text in UTF-8 (byte 3)"),
        (b"#" * (LIMIT + 1), "is larger than 1024 KiB"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_refused(tmp_path: Path, text: str | bytes, rule: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(tmp_path, text)
    message = str(raised.value)
    assert rule in message
    assert message.isprintable()
    assert len(message) < 250


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(SettingsError, match="is not a regular file"):
            read_limited(path, 10)


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(5 * 2**40)
    with pytest.raises(SettingsError, match="is larger than 1 KiB"):
        read_limited(path, 1024)
    path.write_bytes(b"1" * 1024)
    assert len(read_limited(path, 1024)) == 1024


def test_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"):
        read_limited(tmp_path / "a", 10)
