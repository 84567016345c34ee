"""A finished run, read from its metadata."""

import json
from pathlib import Path

import pytest

from engine.run_folder.workplace import FinishedRun, read_finished_run

TOLD = {"identity": {"a": 1}, "warnings": ["dark"], "is_damaged": True, "is_live": False}
RUN = FinishedRun({"a": 1}, ("dark",), is_damaged=True, is_live=False)


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    path = tmp_path / "output_metadata.json"
    path.write_text(json.dumps({"posestream": TOLD}))
    return path


def test_metadata_tell_of_their_run(metadata: Path) -> None:
    assert read_finished_run(metadata) == RUN


@pytest.mark.parametrize("lacking", TOLD)
def test_metadata_that_lack_something_tell_nothing(metadata: Path, lacking: str) -> None:
    told = {key: value for key, value in TOLD.items() if key != lacking}
    metadata.write_text(json.dumps({"posestream": told}))
    assert read_finished_run(metadata) is None


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff", "[" * 100_000])
def test_what_is_no_metadata_tells_nothing(metadata: Path, content: str) -> None:
    metadata.write_text(content, encoding="latin-1")
    assert read_finished_run(metadata) is None


def test_metadata_are_read_up_to_a_limit(metadata: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    num_bytes = metadata.stat().st_size
    monkeypatch.setattr("engine.run_folder.workplace._MOST_METADATA_BYTES", num_bytes)
    assert read_finished_run(metadata) == RUN
    monkeypatch.setattr("engine.run_folder.workplace._MOST_METADATA_BYTES", num_bytes - 1)
    assert read_finished_run(metadata) is None


def test_where_there_are_none_there_is_no_run(tmp_path: Path) -> None:
    assert read_finished_run(tmp_path / "output_metadata.json") is None
