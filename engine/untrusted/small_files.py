"""Small files of settings that may come from anywhere, read in bounded time and memory."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from engine.untrusted.quoting import short

_MOST_DEPTH = 32
_MOST_VALUES = 100_000
_LONGEST_SCALAR = 10_000
_PLAIN_TAGS = (None, "!", "tag:yaml.org,2002:str")
# libyaml's loader is ten times as fast; wheels of PyYAML have it, other builds may not.
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SettingsError(Exception):
    """The settings in a file cannot be used; the message says why, without its path."""


def read_limited(path: Path, most_bytes: int) -> bytes:
    """Read a file that must be a regular one of limited size.

    Raises `SettingsError` if it is larger, or a pipe or device, which might never end, and
    `OSError` if it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        raise SettingsError("is not a regular file")
    # A pipe that took the file's place meanwhile must not make the program wait.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise SettingsError(f"is larger than {most_bytes // 1024} KiB, the most that is read")
    return data


def read_json(path: Path, most_bytes: int) -> Any:
    """Read JSON in UTF-8, with or without a byte order mark, of a file of limited size.

    Raises `SettingsError` if it is no JSON, too deep, or has a key twice; see `read_limited`.
    """
    data = read_limited(path, most_bytes)
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object)
    except RecursionError as error:
        raise SettingsError("is not JSON (too deep)") from error
    except ValueError as error:  # which may hold the whole text
        raise SettingsError(f"is not JSON ({short(str(error))[1:-1]})") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _check_distinct(key for key, _ in pairs)
    return dict(pairs)


def _check_distinct(keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise SettingsError(f"has {short(key)} twice")
        seen.add(key)


def read_yaml(path: Path, most_bytes: int, *, names: str) -> Any:
    """Read YAML of plain values: no objects, and no more than a person would write.

    Anchors and aliases may be used as long as what they stand for stays small.

    `names` is a key whose values, in lists of lists, stay as they are written: names of body parts
    may be ``no``, ``01`` or ``12:30``, which YAML takes for a truth, an octal number, minutes.

    Raises `SettingsError` if it is no YAML in UTF-8, has other tags than ``!!str``, a key twice,
    more than 32 levels, a text of more than 10,000 characters, or more than 100,000 values, aliases
    written out; see `read_limited`.
    """
    data = read_limited(path, most_bytes)
    try:
        text = data.decode("utf-8")
        _check_extent(yaml.parse(text, Loader=_BASE))
        loader = _PlainLoader(text, names)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        raise SettingsError(f"is not text in UTF-8 (byte {error.start})") from error
    except yaml.MarkedYAMLError as error:  # which cites lines of the file
        mark = error.problem_mark
        where = "" if mark is None else f", line {mark.line + 1}"
        problem = short(str(error.problem))[1:-1]
        raise SettingsError(f"is not YAML ({problem}{where})") from error
    except (yaml.YAMLError, OverflowError, ValueError) as error:
        raise SettingsError(f"is not YAML ({short(str(error))[1:-1]})") from error


class _PlainLoader(_BASE):  # type: ignore[misc]  # chosen where this module is loaded
    """Builds plain values, leaves names as they are written, and refuses a key that comes twice."""

    def __init__(self, text: str, names: str) -> None:
        super().__init__(text)
        self._names = names

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping from its node."""
        _check_distinct(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        node.value = [
            (key, _as_written(value) if key.value == self._names else value)
            for key, value in node.value
        ]
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _as_written(node: Any) -> Any:
    """Give a copy, as aliases may show the same node elsewhere, in which values are texts."""
    if isinstance(node, yaml.ScalarNode):
        return yaml.ScalarNode("tag:yaml.org,2002:str", node.value)
    if isinstance(node, yaml.SequenceNode):
        return yaml.SequenceNode(node.tag, [_as_written(item) for item in node.value])
    return node


def _check_extent(events: Iterable[Any]) -> None:
    """Check how much a document would become, before anything is built that could be too large."""
    num_values = 0
    levels: list[tuple[str | None, int]] = []  # of each: its anchor, and the values before it
    sizes: dict[str | None, int] = {}  # of what has an anchor, with its aliases written out
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, num_before = levels.pop()
            sizes[anchor] = num_values - num_before
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:  # within itself, or nowhere
                raise SettingsError(
                    f"has an alias {short(event.anchor)} of nothing that stands before it"
                )
            num_values += sizes[event.anchor]
        elif isinstance(event, yaml.NodeEvent):
            _check_node(event, len(levels))
            if isinstance(event, yaml.CollectionStartEvent):
                levels.append((event.anchor, num_values))
            else:
                sizes[event.anchor] = 1
            num_values += 1
        if num_values > _MOST_VALUES:
            raise SettingsError(
                f"has more than {_MOST_VALUES} values, with its aliases written out"
            )


def _check_node(event: Any, depth: int) -> None:
    if event.tag not in _PLAIN_TAGS:
        raise SettingsError(f"has a tag {short(event.tag)}; only plain values are read")
    if isinstance(event, yaml.CollectionStartEvent) and depth >= _MOST_DEPTH:
        raise SettingsError(f"has more than {_MOST_DEPTH} levels")
    if isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST_SCALAR:
        raise SettingsError(f"has a text of more than {_LONGEST_SCALAR} characters")
