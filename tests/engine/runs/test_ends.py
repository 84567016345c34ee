"""The end of a run: all outputs moved into place, or a failure or interrupt that keeps its work."""

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.synthetic import write_isxb
from engine import InputError, Interrupted, Job, RunError, run
from engine.run_folder.unfinished import UnfinishedRun
from engine.watch.progress import Progress
from sinks import OutputError, PreviewSink
from tests.engine.stopping import (
    NUM_SEEN,
    Loader,
    PowerCut,
    contents,
    images_seen,
    job_for,
    resume,
    segments_are_short,
)
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import pictures

pytestmark = pytest.mark.usefixtures("short_segments")


def test_old_results_stay_until_all_new_ones_are_whole(recording: Path, tmp_path: Path) -> None:
    run(job_for([recording], tmp_path), load=Loader())
    before = contents(tmp_path)
    job = job_for([recording], tmp_path, overwrite=True, window_length=3)
    images_seen(job, 30)

    assert {name: data for name, data in contents(tmp_path).items() if "/" not in name} == before
    resume(replace(job, overwrite=False))
    after = contents(tmp_path)
    assert set(after) == OUTPUTS_OF_ONE_MOVIE
    assert after["dlc_pose_estimates.0.h5"] != before["dlc_pose_estimates.0.h5"]


def cut_off(*_: object) -> None:
    raise PowerCut


REMOVE = "engine.run_folder.unfinished.UnfinishedRun.remove"
PAUSED_AT = 30


@pytest.mark.often(3)
@pytest.mark.parametrize("num_moved", range(9))
def test_a_run_that_ends_between_two_moves_is_finished_by_resuming(
    recording: Path,
    whole_run: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    num_moved: int,
) -> None:
    job = job_for([recording], tmp_path)
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
        monkeypatch.setattr(REMOVE, cut_off)
    assert images_seen(job) == NUM_SEEN
    monkeypatch.undo()
    with segments_are_short():
        assert resume(job) == 0

    assert contents(tmp_path) == whole_run


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def alter(path: Path) -> None:
    """Change a byte; size and times stay as they were."""
    data, status = bytearray(path.read_bytes()), path.stat()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def fill_with_nothing(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES: list[Callable[[Path], object]] = [
    Path.unlink,
    shorten,
    lengthen,
    alter,
    fill_with_nothing,
]
FOLDER = "unfinished-run"
JOURNAL = f"{FOLDER}/poses.0.journal"
LABELLED = "dlc_labeled_movie.0.mp4"
ESTIMATES = "dlc_pose_estimates.0.h5"


@pytest.fixture(scope="module")
def finished(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give what runs leave that end before and after all outputs are moved."""
    left = {}
    for when, end in (
        ("before", "engine.run_folder.workplace.Workplace.move_outputs"),
        ("after", REMOVE),
    ):
        left[when] = tmp_path_factory.mktemp(when)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(end, cut_off)
            images_seen(job_for([recording], left[when]))
    assert {path.name for path in (left["before"] / FOLDER).iterdir()} > OUTPUTS_OF_ONE_MOVIE
    return left


@pytest.mark.often(5)
@pytest.mark.parametrize(
    ("when", "damaged"),
    [
        *(
            ("before", {f"{FOLDER}/{name}": DAMAGES[index % len(DAMAGES)]})
            for index, name in enumerate(sorted(OUTPUTS_OF_ONE_MOVIE))
        ),
        ("before", {f"{FOLDER}/{LABELLED}": alter}),
        ("before", {f"{FOLDER}/{ESTIMATES}": Path.unlink, JOURNAL: shorten}),
        ("before", {f"{FOLDER}/{LABELLED}": shorten, JOURNAL: fill_with_nothing}),
        ("before", dict.fromkeys([f"{FOLDER}/{name}" for name in OUTPUTS_OF_ONE_MOVIE], alter)),
        ("after", {LABELLED: Path.unlink}),
        ("after", {ESTIMATES: alter}),
        ("after", {"output_metadata.json": Path.unlink, LABELLED: lengthen}),
        ("after", {"plot.0.svg": Path.unlink, JOURNAL: Path.unlink}),
    ],
)
def test_outputs_that_others_have_removed_or_changed_are_made_again(
    recording: Path,
    whole_run: dict[str, bytes],
    finished: dict[str, Path],
    tmp_path: Path,
    when: str,
    damaged: dict[str, Callable[[Path], object]],
) -> None:
    output_dir = tmp_path / "out"
    shutil.copytree(finished[when], output_dir)
    for name, damage in damaged.items():
        damage(output_dir / name)

    num_seen = resume(job_for([recording], output_dir))

    assert contents(output_dir) == whole_run
    assert num_seen == 0 or JOURNAL in damaged


@pytest.mark.often(1)
@pytest.mark.parametrize("damage", [shorten, alter])
def test_a_labelled_movie_that_waits_for_the_others_of_its_run_is_checked(
    recording: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    later = tmp_path / "later.isxb"
    write_isxb(later, pictures(12), 25, start_time_ms=1_700_000_060_000)
    output_dir = tmp_path / "out"
    job = job_for([recording, later], output_dir)
    images_seen(job, NUM_SEEN + 6)
    whole = (output_dir / FOLDER / LABELLED).read_bytes()
    damage(output_dir / FOLDER / LABELLED)

    assert resume(job) < 12
    assert (output_dir / LABELLED).read_bytes() == whole


@pytest.mark.often(1)
@pytest.mark.parametrize("name", [LABELLED, ESTIMATES])
def test_what_is_changed_while_the_run_works_is_no_output(
    recording: Path,
    whole_run: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    note_whole = UnfinishedRun.note_whole

    def changed(folder: UnfinishedRun, *outputs: Path, is_finished: bool = False) -> None:
        if is_finished:
            alter(tmp_path / FOLDER / name)
        note_whole(folder, *outputs, is_finished=is_finished)

    monkeypatch.setattr(UnfinishedRun, "note_whole", changed)
    job = job_for([recording], tmp_path)
    with pytest.raises(RunError, match=f"{name}: was removed or changed by others; 50 frames are"):
        run(job, load=Loader())
    assert {path.name for path in tmp_path.iterdir()} == {FOLDER}

    monkeypatch.undo()
    with segments_are_short():
        assert resume(job) == 0
    assert contents(tmp_path) == whole_run


def test_results_are_named_only_if_all_of_them_are_there(recording: Path, tmp_path: Path) -> None:
    job = job_for([recording], tmp_path)
    run(job, load=Loader())
    (tmp_path / LABELLED).unlink()
    with pytest.raises(InputError, match=f"results of this run, but {LABELLED} is gone; make all"):
        resume(job)


class Dying(Loader):
    """Ends the process after so many images, and nothing is tidied up."""

    def _stop(self, num_images: int) -> None:
        if num_images >= (self.stop_after or 0):
            os._exit(0)


def work_and_die(job: Job, num_images: int) -> None:
    with segments_are_short():
        run(job, load=Dying(num_images))


def test_a_run_whose_folder_was_replaced_leaves_the_other_alone(
    recording: Path, tmp_path: Path
) -> None:
    """One is paused, its folder removed, another begun and stopped there, and the first goes on."""
    first, second, alone = (
        job_for([recording], tmp_path / name, dot_size=dot_size)
        for name, dot_size in (("out", 5), ("out", 9), ("alone", 9))
    )
    assert images_seen(alone) == NUM_SEEN
    folder = tmp_path / "out" / FOLDER
    left: dict[Path, bytes] = {}

    def pause(num_images: int) -> None:
        if num_images == PAUSED_AT:
            folder.rename(tmp_path / "removed")
            process = multiprocessing.get_context("spawn").Process(
                target=work_and_die, args=(second, 20)
            )
            process.start()
            process.join()
            left.update(files_in(folder))

    class Paused(Loader):
        _stop = staticmethod(pause)

    with pytest.raises(RunError, match="cannot be written"):
        run(first, load=Paused())
    assert files_in(folder) == left
    assert left
    assert 0 < resume(second) < NUM_SEEN
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_name_is_on_the_disk_before_anything_is_promised_of_what_it_holds(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directories, the folder in them, and the folder of segments, before the first frame."""
    output_dir = tmp_path / "new" / "out"
    flushed: list[Path] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        folder = Path(f"/proc/self/fd/{descriptor}").readlink()
        if folder.is_dir():
            flushed.extend(folder.iterdir())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with pytest.raises(PowerCut):
        run(job_for([recording], output_dir), load=Loader(0))
    folder = output_dir / FOLDER
    promise = flushed.index(output_dir / JOURNAL)
    assert {output_dir.parent, output_dir, folder} <= set(flushed[:promise])
    assert folder / f".{Path(LABELLED).stem}.segments" in flushed


def fail(*_: object) -> None:
    raise OutputError(Path("plot.0.svg"), "No space left on device")


def test_a_full_disk_leaves_the_work_and_says_how_to_go_on(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for([recording], tmp_path)
    monkeypatch.setattr(PreviewSink, "finish", fail)
    with pytest.raises(
        RunError,
        match=r"No space left on device.*; 50 frames are done and kept; go on with --resume",
    ):
        run(job, load=Loader())
    assert {path.name for path in tmp_path.iterdir()} == {"unfinished-run"}

    monkeypatch.undo()
    with segments_are_short():
        assert resume(job) == 0
    assert contents(tmp_path) == whole_run


def test_a_run_that_has_done_nothing_leaves_nothing(recording: Path, tmp_path: Path) -> None:
    job = job_for([recording], tmp_path / "made" / "out")
    with pytest.raises(PowerCut):
        run(job, load=Loader(0))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_keeps_the_batch_in_hand_and_says_how_to_go_on(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_for([recording], tmp_path)
    notes: list[str] = []
    interrupted = threading.Event()

    class Impatient(Progress):
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
    assert contents(tmp_path) == whole_run


def test_links_in_the_output_directory_are_replaced_and_not_followed(
    recording: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    output_dir = tmp_path / "out"
    output_dir.mkdir()
    for name in OUTPUTS_OF_ONE_MOVIE:
        (output_dir / name).symlink_to(precious)

    run(job_for([recording], output_dir, overwrite=True), load=Loader())

    assert precious.read_text() == "precious"
    assert {path.name for path in output_dir.iterdir()} == OUTPUTS_OF_ONE_MOVIE
    assert not any(path.is_symlink() for path in output_dir.iterdir())
