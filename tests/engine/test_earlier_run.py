"""What a run must find in the output directory to go on with another's work."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import CropRectangle, InputError, RunError, run
from readers import FrameBatch, MovieReader
from tests.engine.stopping import (
    NUM_SEEN,
    Loader,
    contents,
    images_seen,
    job_for,
    resume,
)

pytestmark = pytest.mark.usefixtures("short_segments")


def test_a_plain_run_names_both_ways_on(recording: Path, tmp_path: Path) -> None:
    job = job_for([recording], tmp_path)
    images_seen(job, 20)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        InputError,
        match=r"unfinished run \(\d+ frames are done\); go on with --resume, or start anew",
    ):
        run(job, load=Loader())
    assert sorted(tmp_path.rglob("*")) == before


def test_overwriting_starts_anew(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_for([recording], tmp_path)
    images_seen(job, 20)
    assert images_seen(replace(job, overwrite=True)) == NUM_SEEN
    assert contents(tmp_path) == whole_run


def test_resuming_nothing_starts_from_the_beginning(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path
) -> None:
    assert resume(job_for([recording], tmp_path / "new")) == NUM_SEEN
    assert contents(tmp_path / "new") == whole_run


def test_resuming_a_run_that_has_ended_does_nothing(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_for([recording], tmp_path)
    first = run(job, load=Loader())
    again = run(replace(job, resume=True), load=Loader(0))

    assert (again.outputs, again.warnings) == (first.outputs, first.warnings)
    assert contents(tmp_path) == whole_run


def test_results_of_another_run_are_not_taken_for_its_own(recording: Path, tmp_path: Path) -> None:
    run(job_for([recording], tmp_path), load=Loader())
    with pytest.raises(InputError, match="already holds the results of a run with other"):
        resume(job_for([recording], tmp_path, window_length=5))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window_length": 9}, "begun with window length 7, now it is 9"),
        ({"dot_size": 3}, "begun with dot size 5, now it is 3"),
        ({"batch_size": 4}, "begun with batch size 3, now it is 4"),
        ({"crop_rect": CropRectangle(0, 0, 64, 64)}, "begun with crop rect None, now it is {"),
        ({"coordinates": "movie"}, "begun with coordinates crop, now it is movie"),
    ],
)
def test_other_options_are_refused(
    recording: Path, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    images_seen(job_for([recording], tmp_path), 20)
    with pytest.raises(InputError, match=re.escape(message)):
        resume(job_for([recording], tmp_path, **changed))


def test_what_a_record_holds_is_told_on_one_line_and_not_at_length(
    recording: Path, tmp_path: Path
) -> None:
    job = job_for([recording], tmp_path)
    images_seen(job, 20)
    path = tmp_path / "unfinished-run" / "run.json"
    record = json.loads(path.read_text())
    record["identity"]["model"]["runtime"] = "\x1b[2J\n" * 100_000
    path.write_text(json.dumps(record))

    with pytest.raises(InputError, match=r"begun with the model's runtime \\x1b\[2J\\n") as raised:
        resume(job)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < len(str(tmp_path)) + 600


def test_another_movie_is_refused(recording: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.isxb"
    shutil.copy2(recording, copy)
    job = job_for([copy], tmp_path / "out")
    images_seen(job, 20)
    status = copy.stat()
    data = copy.read_bytes()

    middle = len(data) // 2
    copy.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError, match=r"begun with copy\.isxb's sha256 of ends "):
        resume(job)
    copy.write_bytes(data)
    with pytest.raises(InputError, match=r"begun with copy\.isxb's changed ns "):
        resume(job)
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError, match="begun with a number of movies of 1, now it is 2"):
        resume(job_for([copy, recording], tmp_path / "out"))
    assert resume(job) < NUM_SEEN


def test_a_movie_may_have_moved(recording: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "movie.isxb"
    images_seen(job_for([recording], tmp_path / "out"), 20)
    moved.parent.mkdir()
    shutil.copy2(recording, moved)
    assert resume(job_for([moved], tmp_path / "out")) < NUM_SEEN


def test_another_version_is_refused(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images_seen(job_for([recording], tmp_path), 20)
    monkeypatch.setattr("engine.provenance.version", lambda package: f"99 of {package}")
    with pytest.raises(InputError, match=r"begun with posestream .*, now it is 99 of posestream"):
        resume(job_for([recording], tmp_path))


def test_a_movie_that_reads_differently_is_an_error(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for([recording], tmp_path)
    images_seen(job, 20)
    read = MovieReader.read

    def later(reader: MovieReader, images: NDArray[np.uint8]) -> FrameBatch | None:
        batch = read(reader, images)
        return None if batch is None else replace(batch, time_s=batch.time_s + 1)

    monkeypatch.setattr(MovieReader, "read", later)
    with pytest.raises(RunError, match="holds other frames than when this run read it before"):
        resume(job)


def test_a_record_that_cannot_be_read_is_named(recording: Path, tmp_path: Path) -> None:
    job = job_for([recording], tmp_path)
    images_seen(job, 20)
    for content in ("", "[]", "{", "[" * 100_000):
        (tmp_path / "unfinished-run" / "run.json").write_text(content)
        with pytest.raises(InputError, match=r"run\.json: cannot be read, so that nobody"):
            resume(job)
