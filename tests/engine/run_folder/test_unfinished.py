"""The folder of an unfinished run: its own, one run's at a time, and no way out of it."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from engine.run_folder.output_names import OutputDirectory
from engine.run_folder.unfinished import RunRecord, UnfinishedRun
from readers import InputError

RECORD = RunRecord(identity={"a": [1, None]}, started="2026-11-22", overwrite=True)


@pytest.fixture
def folder(tmp_path: Path) -> UnfinishedRun:
    return UnfinishedRun(OutputDirectory(tmp_path, ()))


def test_a_directory_without_one_is_fine_and_stays_as_it_is(
    folder: UnfinishedRun, tmp_path: Path
) -> None:
    folder.check()
    assert not folder.exists
    assert list(tmp_path.iterdir()) == []


def test_a_record_is_there_again(folder: UnfinishedRun) -> None:
    with folder.made(), folder.locked():
        folder.write_record(RECORD)
    folder.check()
    assert folder.exists
    assert folder.record() == RECORD


@pytest.mark.parametrize("lacking", ["identity", "started", "overwrite"])
def test_a_record_that_lacks_something_is_refused(folder: UnfinishedRun, lacking: str) -> None:
    with folder.made():
        (folder.path / "run.json").write_text(
            json.dumps({key: value for key, value in asdict(RECORD).items() if key != lacking})
        )
        with pytest.raises(InputError, match=r"run\.json: cannot be read, so this run cannot be"):
            folder.record()


@pytest.mark.parametrize(("num_bytes", "is_read"), [(2**24, True), (2**24 + 1, False)])
def test_a_record_is_read_up_to_16_mib(
    folder: UnfinishedRun, num_bytes: int, *, is_read: bool
) -> None:
    content = json.dumps(asdict(RECORD))
    with folder.made():
        (folder.path / "run.json").write_text(content.rjust(num_bytes))
        if is_read:
            assert folder.record() == RECORD
            return
        with pytest.raises(InputError, match=r"run\.json: cannot be read, so this run cannot be"):
            folder.record()


def test_a_lock_keeps_others_out_and_names_who_holds_it(folder: UnfinishedRun) -> None:
    other = UnfinishedRun(OutputDirectory(folder.path.parent, ()))
    message = r"another run works on it \(process \d+ on .+\);"
    with folder.made(), folder.locked(), pytest.raises(InputError, match=message):
        other.check()
    other.check()


def test_an_empty_folder_goes_away(folder: UnfinishedRun, tmp_path: Path) -> None:
    with folder.made(), folder.locked():
        folder.write_record(RECORD)
        (folder.path / ".movie.segments").mkdir()
        (folder.path / ".movie.segments" / "000000.mp4").touch()
        folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_somebody_elses_folder_of_the_same_name_is_left_alone(folder: UnfinishedRun) -> None:
    folder.path.mkdir()
    (folder.path / "thesis.tex").touch()
    with pytest.raises(InputError, match="must be a folder that posestream made"):
        folder.check()
    assert (folder.path / "thesis.tex").exists()


def test_a_file_or_a_link_in_its_place_is_refused(folder: UnfinishedRun, tmp_path: Path) -> None:
    folder.path.write_text("a file")
    with pytest.raises(InputError, match="must be a folder that posestream made"):
        folder.check()
    folder.path.unlink()
    (tmp_path / "elsewhere").mkdir()
    folder.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="must be a folder that posestream made"):
        folder.check()


@pytest.mark.parametrize("name", ["poses.0.journal", ".movie.segments", "run.json", "lock"])
def test_links_within_are_refused(folder: UnfinishedRun, tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    with folder.made(), folder.locked():
        folder.write_record(RECORD)
    (folder.path / name).unlink(missing_ok=True)
    (folder.path / name).symlink_to(precious)
    with pytest.raises(InputError, match="is a link, which posestream never makes"):
        folder.check()
    assert precious.read_text() == "precious"
