"""An earlier run's work: when it can be resumed, and when it is refused."""

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
from engine.run_folder.identity import fingerprint
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


@pytest.fixture(scope="module")
def results(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output_dir = tmp_path_factory.mktemp("results")
    run(job_for([recording], output_dir), load=Loader())
    return output_dir


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


LEFT_AT_THE_END = [[], ["owner"], ["lock"], ["lock", "owner"]]


def leave(output_dir: Path, names: list[str]) -> Path:
    """Leave what a run leaves that is killed when all is done, or before anything is."""
    folder = output_dir / "unfinished-run"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("process 7 on lab" if name == "owner" else "")
    return folder


@pytest.mark.parametrize("names", LEFT_AT_THE_END)
def test_what_the_end_of_a_run_has_left_is_no_run(
    recording: Path,
    whole_run: dict[str, bytes],
    results: Path,
    tmp_path: Path,
    names: list[str],
) -> None:
    job = job_for([recording], tmp_path / "out")
    shutil.copytree(results, job.output_dir)
    folder = leave(job.output_dir, names)
    with pytest.raises(InputError, match="run with window length 7, now it is 5; choose another"):
        resume(replace(job, window_length=5))

    run(replace(job, resume=True), load=Loader(0))

    assert not folder.exists()
    assert contents(job.output_dir) == whole_run


@pytest.mark.often(2)
@pytest.mark.parametrize("names", LEFT_AT_THE_END)
def test_where_there_is_nothing_else_a_run_begins(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path, names: list[str]
) -> None:
    leave(tmp_path, names)
    assert resume(job_for([recording], tmp_path)) == NUM_SEEN
    assert contents(tmp_path) == whole_run


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window_length": 5}, "window length 7, now it is 5"),
        ({"crop_rect": CropRectangle(0, 0, 64, 64)}, "crop rect None, now it is {"),
    ],
)
def test_results_of_another_run_are_not_taken_for_its_own(
    recording: Path, results: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"already holds the results of a run with {message}"):
        resume(job_for([recording], results, **changed))


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
    with pytest.raises(InputError, match=r"begun with copy\.isxb's sha256 of samples "):
        resume(job)
    copy.write_bytes(data)
    with pytest.raises(InputError, match="begun with a number of movies of 1, now it is 2"):
        resume(job_for([copy, recording], tmp_path / "out"))
    assert resume(job) < NUM_SEEN


def test_a_movie_may_be_a_copy(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path
) -> None:
    """By another path, of another time: the contents are the same."""
    copy = tmp_path / "elsewhere" / recording.name
    copy.parent.mkdir()
    shutil.copyfile(recording, copy)
    os.utime(copy, (1, 1))
    images_seen(job_for([recording], tmp_path / "out"), 20)
    assert resume(job_for([copy], tmp_path / "out")) < NUM_SEEN
    assert resume(job_for([recording], tmp_path / "out")) == 0
    assert (
        contents(tmp_path / "out")["dlc_pose_estimates.0.h5"]
        == whole_run["dlc_pose_estimates.0.h5"]
    )


NUM_SAMPLED = 64 * 8


@pytest.mark.parametrize("num_bytes", [1, 8, 9, 100, NUM_SAMPLED - 1, NUM_SAMPLED])
def test_contents_are_told_from_others_that_differ_in_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_bytes: int
) -> None:
    monkeypatch.setattr("engine.run_folder.identity._SAMPLE_BYTES", 8)
    path = tmp_path / "movie"
    seen = set()
    for offset in range(num_bytes):
        path.write_bytes(bytes(offset) + b"x" + bytes(num_bytes - offset - 1))
        seen.add(str(fingerprint(path)))
    assert len(seen) == num_bytes


@pytest.mark.parametrize("num_bytes", [NUM_SAMPLED + 1, 2 * NUM_SAMPLED, 99_991])
def test_contents_of_large_files_are_told_from_others_by_samples_from_start_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_bytes: int
) -> None:
    monkeypatch.setattr("engine.run_folder.identity._SAMPLE_BYTES", 8)
    path = tmp_path / "movie"
    seen = set()
    length = num_bytes // 63 + 8  # from a sample's start to the end of the next
    starts = range(0, num_bytes - length, length)
    for start in starts:
        path.write_bytes(bytes(start) + b"x" * length + bytes(num_bytes - start - length))
        seen.add(str(fingerprint(path)))
    assert len(seen) == len(starts)


def test_an_empty_file_has_contents_too(tmp_path: Path) -> None:
    (tmp_path / "movie").touch()
    assert fingerprint(tmp_path / "movie")["size_bytes"] == 0


def test_another_version_is_refused(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images_seen(job_for([recording], tmp_path), 20)
    monkeypatch.setattr("engine.run_folder.identity.version", lambda package: f"99 of {package}")
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
    path = tmp_path / "unfinished-run" / "run.json"
    record = json.loads(path.read_text())
    changed = [
        json.dumps({**record, **change})
        for change in ({"identity": 5}, {"started": 5}, {"started": "now"}, {"outputs": 5})
    ]
    for content in ("", "[]", "{", "[" * 100_000, *changed):
        path.write_text(content)
        with pytest.raises(InputError, match=r"run\.json: cannot be read, so this run cannot be"):
            resume(job)


@pytest.mark.parametrize("part", ["versions", "model", "parameters", "movies", "crop_rect"])
def test_a_record_that_others_have_changed_is_another_runs(
    recording: Path, tmp_path: Path, part: str
) -> None:
    job = job_for([recording], tmp_path)
    images_seen(job, 20)
    path = tmp_path / "unfinished-run" / "run.json"
    record = json.loads(path.read_text())
    record["identity"][part] = 5
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="its unfinished run was begun with"):
        resume(job)
