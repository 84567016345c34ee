"""How a run ends: all outputs moved into place, or a failure or interrupt that keeps its work."""

import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Interrupted, RunError, run
from engine.progress import SilentProgress
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


def cut_off(_: object) -> None:
    raise PowerCut


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
        monkeypatch.setattr("engine.unfinished.UnfinishedRun.remove", cut_off)
    assert images_seen(job) == NUM_SEEN
    monkeypatch.undo()
    with segments_are_short():
        assert resume(job) == 0

    assert contents(tmp_path) == whole_run


def fail(*_: object) -> None:
    raise OutputError(Path("plot.0.svg"), "No space left on device")


def test_a_full_disk_leaves_the_work_and_says_how_to_go_on(
    recording: Path, whole_run: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for([recording], tmp_path)
    monkeypatch.setattr(PreviewSink, "_draw", fail)
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
