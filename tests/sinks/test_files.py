"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from sinks import OutputError, flush_folder, whole_file


def test_the_file_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    path = tmp_path / "result.0.h5"
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.suffix == ".h5"
        assert temporary.name.startswith(".")

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    path.write_text("old")

    with pytest.raises(KeyboardInterrupt), whole_file(path) as temporary:  # noqa: PT012 -- the block is what fails
        temporary.write_text("half")
        raise KeyboardInterrupt

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_before_anything_is_written_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole_file(tmp_path / "result.h5"):
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="nothing was written"),
        whole_file(tmp_path / "result.h5"),
    ):
        pass


@pytest.mark.parametrize(
    "name", ["two\nlines.h5", "mäuse \N{MOUSE}.h5", "per%cent %03d.h5", os.fsdecode(b"\xff.h5")]
)
def test_names_may_hold_anything(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name) as temporary:
        temporary.write_text("new")

    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("other", [b"another's", None])
def test_another_file_of_the_temporary_name_is_left_alone(
    tmp_path: Path, other: bytes | None
) -> None:
    """The folder was removed meanwhile, and perhaps another process works in a new one."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OutputError), whole_file(folder / "result.h5") as temporary:  # noqa: PT012 -- the block's end fails
        temporary.write_text("new")
        shutil.rmtree(folder)
        if other is not None:
            folder.mkdir()
            temporary.write_bytes(other)

    assert [path.read_bytes() for path in tmp_path.rglob("*.h5")] == ([other] if other else [])
    assert not (folder / "result.h5").exists()


def test_a_link_under_the_temporary_name_is_not_written_through(tmp_path: Path) -> None:
    path, victim = tmp_path / "result.h5", tmp_path / "victim"
    victim.write_text("dear")
    (tmp_path / ".result.partial.h5").symlink_to(victim)

    with whole_file(path) as temporary:
        temporary.write_text("new")

    assert (victim.read_text(), path.read_text()) == ("dear", "new")
    assert not path.is_symlink()


def test_a_link_under_the_final_name_is_replaced(tmp_path: Path) -> None:
    path, victim = tmp_path / "result.h5", tmp_path / "victim"
    victim.write_text("dear")
    path.symlink_to(victim)

    with whole_file(path) as temporary:
        temporary.write_text("new")

    assert (victim.read_text(), path.read_text()) == ("dear", "new")


def test_the_file_is_on_the_disk_before_it_has_its_name_and_the_name_thereafter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary: list[str] = []
    fsync, path = os.fsync, tmp_path / "result.h5"

    def note(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        diary.append(f"{name}, {'named' if path.exists() else 'without a name'}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with whole_file(path) as temporary:
        temporary.write_text("new")

    assert diary == [".result.partial.h5, without a name", f"{tmp_path.name}, named"]


def test_where_folders_cannot_be_opened_their_names_are_not_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_DIRECTORY")
    flush_folder(tmp_path / "absent")


def test_a_folder_that_may_be_opened_and_not_flushed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(PermissionError):
        flush_folder(tmp_path)


def test_a_disk_that_fails_when_it_is_flushed_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.h5"
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(os, "fsync", fail)
    with (
        pytest.raises(OutputError, match=r"result\.h5: cannot be written \(Input/output error\)"),
        whole_file(path) as temporary,
    ):
        temporary.write_text("new")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_place_of_the_file_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "result.h5" / "inner").mkdir(parents=True)
    with (
        pytest.raises(OutputError, match=r"/result\.h5: cannot be written \(Is a directory\)"),
        whole_file(tmp_path / "result.h5") as temporary,
    ):
        temporary.write_text("new")

    assert [path.name for path in tmp_path.iterdir()] == ["result.h5"]
