"""A cache holds what was added, in few small files, and never fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from engine.machine import system as module
from engine.machine.system import Cache, user_cache_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_it_holds_what_was_added() -> None:
    assert "a" not in Cache("things")
    Cache("things").add("a\udcff")

    assert "a\udcff" in Cache("things")
    assert "a" not in Cache("things")
    assert "a\udcff" not in Cache("others")


def cache_files(home: Path) -> list[Path]:
    return list(home.glob("posestream/things/*"))


def test_the_oldest_go_when_there_are_many(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(module, "_MOST_ENTRIES", 3)
    cache = Cache("things")
    for number in range(5):
        for path in cache_files(home):
            os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9))
        cache.add(str(number))

    assert [number for number in range(5) if str(number) in cache] == [2, 3, 4]
    assert len(cache_files(home)) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="the rule of Linux")
def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert user_cache_folder() == home
    monkeypatch.setenv("HOME", "/home/x")
    for value in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert user_cache_folder() == Path("/home/x/.cache")
