"""Read small files of settings that may come from anywhere, in bounded time and memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from engine.untrusted.quoting import short

_MOST_DEPTH = 32
_MOST_VALUES = 100_000
_MOST_CHARACTERS = 4_000_000
_LONGEST_SCALAR = 10_000
_STANDARD_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")
)
# libyaml's loader is ten times as fast; wheels of PyYAML have it, other builds may not.
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SettingsError(ValueError):
    """A file holds no settings that can be used; the message says why, without its path."""


def read_limited(path: Path, most_bytes: int) -> bytes:
    """Read a file that must be a regular one of limited size.

    Raises
    ------
    SettingsError
        If it is larger, or a pipe or device, reading which might never end.
    OSError
        If it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        raise SettingsError("is not a regular file")
    # A pipe that took the file's place meanwhile must not keep anybody waiting.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise SettingsError(f"is larger than {most_bytes // 1024} KiB, the most that is read")
    return data


def read_yaml(path: Path, most_bytes: int, *, names: str) -> Any:
    """Read YAML of plain values: no objects, and no more than a person would write.

    Anchors and aliases may be used as long as what they stand for stays small.

    Parameters
    ----------
    path
        The file.
    most_bytes
        The largest that is read.
    names
        A key whose values, in lists of lists, stay as they are written: what people call things may
        be ``no``, ``01`` or ``12:30``, which YAML takes for a truth, an octal number, minutes.

    Raises
    ------
    SettingsError
        If it is no YAML in UTF-8, has tags of objects, a key twice, more than 32 levels, a text of
        more than 10,000 characters, or, with its aliases written out, more than 100,000 values.
    OSError
        If it cannot be read.
    """
    try:
        text = read_limited(path, most_bytes).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"is not text in UTF-8 (byte {error.start})") from error
    try:
        _Extent().measure(yaml.parse(text, Loader=_BASE))
        loader = _PlainLoader(text, names)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, OverflowError, ValueError) as error:
        raise SettingsError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Say what is wrong and where, without the lines that PyYAML cites."""
    if isinstance(error, SettingsError):
        return str(error)
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"is not YAML ({short(str(error))[1:-1]})"
    mark = error.problem_mark
    where = "" if mark is None else f", line {mark.line + 1}"
    return f"is not YAML ({short(str(error.problem))[1:-1]}{where})"


class _PlainLoader(_BASE):  # type: ignore[misc]  # chosen where this module is loaded
    """Builds plain values, leaves names as they are written, and refuses a key that comes twice."""

    def __init__(self, text: str, names: str) -> None:
        super().__init__(text)
        self._names = names

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping from its node."""
        seen = set()
        for position, (key, value) in enumerate(node.value):
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise SettingsError(f"has {short(key.value)} twice")
                seen.add(key.value)
                if key.value == self._names:
                    node.value[position] = key, _as_written(value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _as_written(node: Any) -> Any:
    """Give a copy, as aliases may show the same node elsewhere, in which values are texts."""
    if isinstance(node, yaml.ScalarNode):
        return yaml.ScalarNode("tag:yaml.org,2002:str", node.value)
    if isinstance(node, yaml.SequenceNode):
        return yaml.SequenceNode(node.tag, [_as_written(item) for item in node.value])
    return node


class _Extent:
    """Measures a document as a stream, before anything is built that could be too large."""

    def __init__(self) -> None:
        self._open: list[tuple[str | None, int, int]] = []  # anchor, and what was there before it
        self._anchors: dict[str, tuple[int, int]] = {}
        self._values = 0
        self._characters = 0

    def measure(self, events: Iterable[Any]) -> None:
        """Raise `SettingsError` if the document is larger than settings are."""
        for event in events:
            if isinstance(event, yaml.AliasEvent):
                self._alias(event.anchor)
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, values, characters = self._open.pop()
                self._remember(anchor, self._values - values, self._characters - characters)

    def _scalar(self, event: Any) -> None:
        _check_tag(event.tag)
        if len(event.value) > _LONGEST_SCALAR:
            raise SettingsError(f"has a text of more than {_LONGEST_SCALAR} characters")
        self._add(1, len(event.value))
        self._remember(event.anchor, 1, len(event.value))

    def _begin(self, event: Any) -> None:
        _check_tag(event.tag)
        self._open.append((event.anchor, self._values, self._characters))
        if len(self._open) > _MOST_DEPTH:
            raise SettingsError(f"has more than {_MOST_DEPTH} levels")
        self._add(1, 0)

    def _alias(self, anchor: str | None) -> None:
        if anchor is None or anchor not in self._anchors:  # within itself, or nowhere
            raise SettingsError(f"has an alias {short(anchor)} of nothing that stands before it")
        self._add(*self._anchors[anchor])

    def _remember(self, anchor: str | None, values: int, characters: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = values, characters

    def _add(self, values: int, characters: int) -> None:
        self._values += values
        self._characters += characters
        if self._values > _MOST_VALUES or self._characters > _MOST_CHARACTERS:
            raise SettingsError(
                f"has more than {_MOST_VALUES} values or {_MOST_CHARACTERS} characters, "
                "with its aliases written out"
            )


def _check_tag(tag: str | None) -> None:
    if tag is not None and tag != "!" and tag not in _STANDARD_TAGS:
        raise SettingsError(f"has a tag {short(tag)}; only plain values are read")
