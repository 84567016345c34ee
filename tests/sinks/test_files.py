"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from sinks.files import whole_file


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
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "result.h5"):
        pass
