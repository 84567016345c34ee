"""The status file of a live run is whole whenever it is read."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.watch.status import Status, StatusFile, StatusSnapshot
from sinks import OutputError


@pytest.fixture
def snapshot() -> StatusSnapshot:
    return Status(clock=lambda: 1000.0, memory_mib=lambda: 1.0).snapshot()


def warn_to(warnings: list[str]) -> Callable[[str], None]:
    return warnings.append


def test_it_is_written_at_most_once_a_second(tmp_path: Path, snapshot: StatusSnapshot) -> None:
    path = tmp_path / "status.json"
    file = StatusFile(path, warn_to([]))
    seen = []
    for tenth in range(25):
        file.show(replace(snapshot, time_s=1000 + tenth / 10, num_arrived=tenth))
        seen.append(json.loads(path.read_text())["num_arrived"])

    assert seen == [0] * 10 + [10] * 10 + [20] * 5


def test_the_last_one_is_always_written(tmp_path: Path, snapshot: StatusSnapshot) -> None:
    path = tmp_path / "status.json"
    file = StatusFile(path, warn_to([]))
    file.show(snapshot)

    file.show(replace(snapshot, is_over=True))

    assert json.loads(path.read_text())["is_over"]
    assert [found.name for found in tmp_path.iterdir()] == ["status.json"]


def test_who_reads_finds_one_whole_or_the_one_before(
    tmp_path: Path, snapshot: StatusSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.json"
    file = StatusFile(path, warn_to([]))
    file.show(snapshot)
    replace_file, seen = Path.replace, []

    def looking(temporary: Path, target: Path) -> Path:
        seen.append(json.loads(path.read_text())["num_arrived"])
        return replace_file(temporary, target)

    monkeypatch.setattr(Path, "replace", looking)
    file.show(replace(snapshot, time_s=1002.0, num_arrived=5))

    assert seen == [0]
    assert json.loads(path.read_text())["num_arrived"] == 5


@pytest.mark.parametrize("kind", ["folder", "pipe", "nowhere"])
def test_where_it_cannot_be_written_at_all_is_an_error(
    tmp_path: Path, snapshot: StatusSnapshot, kind: str
) -> None:
    path = tmp_path / "status.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = tmp_path / "nowhere" / "status.json"

    with pytest.raises(OutputError, match="cannot be written"):
        StatusFile(path, warn_to([])).show(snapshot)


def test_once_it_was_written_a_failure_is_warned_of_once(
    tmp_path: Path, snapshot: StatusSnapshot
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    warnings: list[str] = []
    file = StatusFile(folder / "status.json", warn_to(warnings))
    file.show(snapshot)
    shutil.rmtree(folder)

    for second in range(1, 5):
        file.show(replace(snapshot, time_s=1000.0 + second))

    assert len(warnings) == 1
    assert "status.json: cannot be written" in warnings[0]


def test_on_a_full_disk_the_last_one_stays_and_each_time_it_fills_is_warned_of(
    tmp_path: Path, snapshot: StatusSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.json"
    warnings: list[str] = []
    file = StatusFile(path, warn_to(warnings))
    is_full = False
    replace_file = Path.replace

    def fill(temporary: Path, target: Path) -> Path:
        if is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace_file(temporary, target)

    monkeypatch.setattr(Path, "replace", fill)
    seen = []
    for second, is_full in enumerate([False, True, True, False, True]):  # noqa: B007 -- of fill
        file.show(replace(snapshot, time_s=1000.0 + second, num_arrived=second))
        seen.append(json.loads(path.read_text())["num_arrived"])

    assert seen == [0, 0, 0, 3, 3]
    assert len(warnings) == 2
    assert [found.name for found in tmp_path.iterdir()] == ["status.json"]
