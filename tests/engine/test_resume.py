"""A run that was stopped anywhere and resumed gives what a run that was never stopped gives."""

import contextlib
import json
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine import CropRectangle, InputError, Interrupted, Job, RunError, run
from engine.bench.null_model import NullModel
from engine.inference import ModelExport, PoseModel
from engine.journal import read_journal
from engine.progress import SilentProgress
from engine.synthetic import write_isxb
from readers import FrameBatch, MovieReader
from sinks import OutputError, PreviewSink
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import pictures

NUM_FRAMES = 50
DROPPED = [0, 7, 22, 23, 24, 25, 40]
NUM_SEEN = NUM_FRAMES - len(DROPPED)
SEGMENT_LENGTH = 12


class PowerCut(BaseException):
    """Stands for the end of the process: nothing in the product may handle it."""


class CountingModel(NullModel):
    """Poses that tell images apart; ends the process, in effect, after so many of them."""

    def __init__(self, body_parts: tuple[str, ...], stop: Callable[[int], None]) -> None:
        super().__init__(body_parts)
        self._stop = stop
        self.num_images = 0

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        self._stop(self.num_images)
        self.num_images += len(images)
        poses = super().predict(images)
        means = images.reshape(len(images), -1).mean(axis=1)[:, np.newaxis]
        poses[..., 0] += means % 7
        poses[..., 2] = means % 1
        return poses


@dataclass
class Loader:
    """Loads a model that stops the run when it has seen so many images; None for never."""

    stop_after: int | None = None
    error: type[BaseException] = PowerCut
    model: CountingModel | None = None

    def __call__(self, export: ModelExport, runtime: str) -> PoseModel:  # noqa: ARG002 -- a loader
        self.model = CountingModel(export.body_parts, self._stop)
        return self.model

    def _stop(self, num_images: int) -> None:
        if self.stop_after is not None and num_images >= self.stop_after:
            raise self.error


def job_for(movies: list[Path], output_dir: Path, **options: Any) -> Job:
    return Job(
        movies, output_dir, **{"trail_points": 5, "window_length": 7, "batch_size": 3} | options
    )


def contents(directory: Path) -> dict[str, bytes]:
    """Give the content of all files, without the times of the run."""
    found = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }
    metadata = json.loads(found["output_metadata.json"])
    for name in ("started", "duration_s"):
        del metadata["posestream"][name]
    found["output_metadata.json"] = json.dumps(metadata).encode()
    return found


def images_seen(job: Job, stop_after: int | None = None) -> int:
    """Run until the model has seen so many images, or to the end; tell how many it saw."""
    loader = Loader(stop_after)
    with contextlib.suppress(PowerCut):
        run(job, load=loader)
    assert loader.model is not None
    return loader.model.num_images


def resume(job: Job) -> int:
    return images_seen(replace(job, resume=True))


@contextlib.contextmanager
def segments_are_short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in ("sinks.segments", "sinks.segmented_movie"):
            patch.setattr(f"{module}.SEGMENT_LENGTH", SEGMENT_LENGTH)
        yield


@pytest.fixture(autouse=True, scope="module")
def short_segments() -> Iterator[None]:
    with segments_are_short():
        yield


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a movie with dropped frames, also at a segment's end and start."""
    path = tmp_path_factory.mktemp("movie") / "movie.isxb"
    write_isxb(path, pictures(NUM_FRAMES), 25, dropped=DROPPED)
    return path


@pytest.fixture(scope="module")
def damaged_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a movie with frames that cannot be decoded, around a segment's start."""
    path = tmp_path_factory.mktemp("damaged") / "movie.isxb"
    write_isxb(path, pictures(NUM_FRAMES), 25)
    data = bytearray(path.read_bytes())
    starts = [match.start() for match in re.finditer(b"\xff\xd8\xff", data)]
    assert len(starts) == NUM_FRAMES
    for frame in (11, 12, 13, 30):
        start_of_frame = data.index(b"\xff\xc0", starts[frame])
        data[start_of_frame + 4] = 77  # a JPEG of 77 bits a sample
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def whole(movie: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    output_dir = tmp_path_factory.mktemp("whole")
    run(job_for([movie], output_dir), load=Loader())
    return contents(output_dir)


# Stopped anywhere


@settings(max_examples=10, deadline=None)
@given(stops=st.lists(st.integers(1, NUM_SEEN + 2), min_size=1, max_size=3))
def test_the_outputs_are_those_of_a_run_that_was_not_stopped(
    movie: Path,
    whole: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    stops: list[int],
) -> None:
    job = job_for([movie], tmp_path_factory.mktemp("stopped"))
    num_seen = 0
    for index, num_images in enumerate(stops):
        num_seen += images_seen(replace(job, resume=index > 0), num_images)
    num_seen += resume(job)

    assert contents(job.output_dir) == whole
    assert num_seen == NUM_SEEN  # no image twice


@pytest.mark.parametrize(
    "options",
    [
        {"experiment_annotations_format": "csv", "window_length": 1, "trail_points": 0},
        {"crop_rect": CropRectangle(11, 7, 90, 61), "coordinates": "movie"},
        {"keypoints_only": True, "draw_skeleton": True, "window_length": 101},
        {"batch_size": None, "output_frame_rate": 3.5},
    ],
)
def test_it_holds_for_all_options(movie: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    for name in ("whole", "stopped"):
        job = job_for([movie], tmp_path / name, **options)
        images_seen(job, 25 if name == "stopped" else None)
    resume(job)

    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


@pytest.mark.parametrize("num_images", [10, 13, 28, 33])
def test_it_holds_for_movies_with_frames_that_cannot_be_decoded(
    damaged_movie: Path, tmp_path: Path, num_images: int
) -> None:
    for name in ("whole", "stopped"):
        job = job_for([damaged_movie], tmp_path / name)
        images_seen(job, num_images if name == "stopped" else None)
    resume(job)

    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    result = json.loads((tmp_path / "whole" / "output_metadata.json").read_text())
    (told,) = result["posestream"]["movies"]
    assert told["num_not_decodable"] == 4
    assert told["not_decodable_frames"]["ranges"] == [[11, 13], [30, 30]]


@pytest.mark.parametrize("num_images", [20, 43, 44, 70, 100])
def test_it_holds_for_several_movies(movie: Path, tmp_path: Path, num_images: int) -> None:
    later = tmp_path / "later.isxb"
    write_isxb(later, pictures(60), 25, start_time_ms=1_700_000_060_000)
    num_seen = 0
    for name in ("whole", "stopped"):
        job = job_for([movie, later], tmp_path / name)
        num_seen = images_seen(job, num_images if name == "stopped" else None)
    num_seen += resume(job)

    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert num_seen == NUM_SEEN + 60


def test_a_batch_size_that_was_probed_is_kept(
    movie: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for([movie], tmp_path, batch_size="auto")
    for probed in (3, 5):
        monkeypatch.setattr("engine.movie_run.probe_batch_size", lambda *_, size=probed: size)
        images_seen(replace(job, resume=probed == 5), 30 if probed == 3 else None)
        journal = read_journal(tmp_path / "unfinished-run" / "poses.0.journal")
        assert journal is None or journal.batch_size == 3

    assert contents(tmp_path)["dlc_pose_estimates.0.h5"] == whole["dlc_pose_estimates.0.h5"]


def test_segments_that_are_lost_are_drawn_again(
    movie: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_for([movie], tmp_path)
    images_seen(job, 40)
    (segments,) = (tmp_path / "unfinished-run").glob(".*.segments")
    assert len(list(segments.iterdir())) >= 2
    (segments / "000001.mp4").unlink()

    assert resume(job) < 10
    assert contents(tmp_path) == whole


def test_segments_beyond_a_torn_journal_are_no_matter(
    movie: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_for([movie], tmp_path)
    images_seen(job, 40)
    journal = tmp_path / "unfinished-run" / "poses.0.journal"
    with journal.open("rb+") as file:
        file.truncate(journal.stat().st_size // 3)

    assert resume(job) > 20
    assert contents(tmp_path) == whole


# What a run must find to go on


def test_a_plain_run_names_both_ways_on(movie: Path, tmp_path: Path) -> None:
    job = job_for([movie], tmp_path)
    images_seen(job, 20)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        InputError,
        match=r"unfinished run \(\d+ frames are done\); go on with --resume, or start anew",
    ):
        run(job, load=Loader())
    assert sorted(tmp_path.rglob("*")) == before


def test_overwriting_starts_anew(movie: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    job = job_for([movie], tmp_path)
    images_seen(job, 20)
    assert images_seen(replace(job, overwrite=True)) == NUM_SEEN
    assert contents(tmp_path) == whole


def test_resuming_nothing_starts_from_the_beginning(
    movie: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    assert resume(job_for([movie], tmp_path / "new")) == NUM_SEEN
    assert contents(tmp_path / "new") == whole


def test_resuming_a_run_that_has_ended_does_nothing(
    movie: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_for([movie], tmp_path)
    first = run(job, load=Loader())
    again = run(replace(job, resume=True), load=Loader(0))

    assert (again.outputs, again.warnings) == (first.outputs, first.warnings)
    assert contents(tmp_path) == whole


def test_results_of_another_run_are_not_taken_for_its_own(movie: Path, tmp_path: Path) -> None:
    run(job_for([movie], tmp_path), load=Loader())
    with pytest.raises(InputError, match="already holds the results of a run with other"):
        resume(job_for([movie], tmp_path, window_length=5))


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
    movie: Path, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    images_seen(job_for([movie], tmp_path), 20)
    with pytest.raises(InputError, match=re.escape(message)):
        resume(job_for([movie], tmp_path, **changed))


def test_another_movie_is_refused(movie: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.isxb"
    shutil.copy2(movie, copy)
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
        resume(job_for([copy, movie], tmp_path / "out"))
    assert resume(job) < NUM_SEEN


def test_a_movie_may_have_moved(movie: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "movie.isxb"
    images_seen(job_for([movie], tmp_path / "out"), 20)
    moved.parent.mkdir()
    shutil.copy2(movie, moved)
    assert resume(job_for([moved], tmp_path / "out")) < NUM_SEEN


def test_another_version_is_refused(
    movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images_seen(job_for([movie], tmp_path), 20)
    monkeypatch.setattr("engine.provenance.version", lambda package: f"99 of {package}")
    with pytest.raises(InputError, match=r"begun with posestream .*, now it is 99 of posestream"):
        resume(job_for([movie], tmp_path))


def test_a_movie_that_reads_differently_is_an_error(
    movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for([movie], tmp_path)
    images_seen(job, 20)
    read = MovieReader.read

    def later(reader: MovieReader, images: NDArray[np.uint8]) -> FrameBatch | None:
        batch = read(reader, images)
        return None if batch is None else replace(batch, time_s=batch.time_s + 1)

    monkeypatch.setattr(MovieReader, "read", later)
    with pytest.raises(RunError, match="holds other frames than when this run read it before"):
        resume(job)


def test_a_record_that_cannot_be_read_is_named(movie: Path, tmp_path: Path) -> None:
    job = job_for([movie], tmp_path)
    images_seen(job, 20)
    for content in ("", "[]", "{", "[" * 100_000):
        (tmp_path / "unfinished-run" / "run.json").write_text(content)
        with pytest.raises(InputError, match=r"run\.json: cannot be read, so that nobody"):
            resume(job)


# The end: all outputs are moved into place


def test_old_results_stay_until_all_new_ones_are_whole(movie: Path, tmp_path: Path) -> None:
    run(job_for([movie], tmp_path), load=Loader())
    before = contents(tmp_path)
    job = job_for([movie], tmp_path, overwrite=True, window_length=3)
    images_seen(job, 30)

    assert {name: data for name, data in contents(tmp_path).items() if "/" not in name} == before
    resume(replace(job, overwrite=False))
    after = contents(tmp_path)
    assert set(after) == OUTPUTS_OF_ONE_MOVIE
    assert after["dlc_pose_estimates.0.h5"] != before["dlc_pose_estimates.0.h5"]


def cut_off(_: object) -> None:
    raise PowerCut


@pytest.mark.parametrize("num_moved", range(9))
def test_a_run_that_ends_between_two_moves_is_finished_by_resuming(
    movie: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    num_moved: int,
) -> None:
    job = job_for([movie], tmp_path)
    moved: list[Path] = []
    move = Path.replace

    def cut(path: Path, target: Path) -> Path:
        if target.parent == tmp_path:
            if len(moved) == num_moved:
                raise PowerCut
            moved.append(target)
        return move(path, target)

    monkeypatch.setattr(Path, "replace", cut)
    if num_moved == len(OUTPUTS_OF_ONE_MOVIE):
        monkeypatch.setattr("engine.unfinished.UnfinishedRun.remove", cut_off)
    assert images_seen(job) == NUM_SEEN
    monkeypatch.undo()
    with segments_are_short():
        assert resume(job) == 0

    assert contents(tmp_path) == whole


# Failures and interrupts


def fail(*_: object) -> None:
    raise OutputError(Path("plot.0.svg"), "No space left on device")


def test_a_full_disk_leaves_the_work_and_says_how_to_go_on(
    movie: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for([movie], tmp_path)
    monkeypatch.setattr(PreviewSink, "__exit__", fail)
    with pytest.raises(
        RunError,
        match=r"No space left on device.*; 50 frames are done and kept; go on with --resume",
    ):
        run(job, load=Loader())
    assert {path.name for path in tmp_path.iterdir()} == {"unfinished-run"}

    monkeypatch.undo()
    with segments_are_short():
        assert resume(job) == 0
    assert contents(tmp_path) == whole


def test_a_run_that_has_done_nothing_leaves_nothing(movie: Path, tmp_path: Path) -> None:
    job = job_for([movie], tmp_path / "made" / "out")
    with pytest.raises(PowerCut):
        run(job, load=Loader(0))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_keeps_the_batch_in_hand_and_says_how_to_go_on(
    movie: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_for([movie], tmp_path)
    notes: list[str] = []
    interrupted = threading.Event()

    class Impatient(SilentProgress):
        def advance(self, done: int) -> None:  # noqa: ARG002 -- as every progress
            if not interrupted.is_set():
                interrupted.set()
                signal.raise_signal(signal.SIGINT)

        def note(self, message: str) -> None:
            notes.append(message)

    class WaitingLoader(Loader):
        def _stop(self, num_images: int) -> None:  # noqa: ARG002 -- as its base
            assert interrupted.wait(30)

    loader = WaitingLoader()
    with pytest.raises(Interrupted, match=r"interrupted; \d+ frames are done and kept; go on"):
        run(job, Impatient(), load=loader)
    assert loader.model is not None
    assert notes == ["stopping after the batch in hand; once more stops at once"]

    assert 0 < loader.model.num_images < NUM_SEEN
    assert resume(job) == NUM_SEEN - loader.model.num_images
    assert contents(tmp_path) == whole
