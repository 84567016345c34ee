"""A benchmark says what it could not measure, and leaves nothing behind."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import CropRectangle, InputError, Job, RunError
from engine.bench import measurement
from engine.bench.costs import BATCH_SIZES, InferenceCost
from engine.bench.measurement import measure
from engine.machine.workers import ChildDiedError, run_in_child
from engine.pipeline.batch_size import Cost
from engine.watch.progress import Progress
from tests.engine.bench.recorder import Recorder
from tests.engine.bench.reports import STAGES
from tests.engine.machine.children import Children, measured

pytestmark = pytest.mark.usefixtures("temporary")


def test_a_note_of_a_measurement_is_one_of_the_report(children: Children, movie: Path) -> None:
    children.ends["openvino"] = "openvino: no memory"

    assert measured(movie, most_frames=9).notes == ["openvino: no memory"]


def test_a_runtime_that_cannot_run_the_model_is_left_out(children: Children, movie: Path) -> None:
    children.speeds["openvino"] = {}
    children.ends["openvino"] = RunError("no such operation")

    report = measured(movie, most_frames=9)

    assert report.notes == ["openvino: no such operation"]
    assert children.job.runtime == "tensorflow"


@pytest.mark.parametrize(("num_done", "stopped_at"), [(0, 1), (3, 8), (6, 32)])
def test_a_process_that_died_is_a_note_and_what_it_told_counts(
    children: Children, movie: Path, num_done: int, stopped_at: int
) -> None:
    children.speeds["openvino"] = dict.fromkeys(BATCH_SIZES[:num_done], 1000)
    children.ends["openvino"] = ChildDiedError("killed")

    report = measured(movie, most_frames=9)

    assert report.notes == [
        f"openvino: the process was stopped at batch {stopped_at}, most likely for lack of memory"
    ]
    assert len(report.inference) == 6 + num_done
    assert children.job.runtime == ("openvino" if num_done else "tensorflow")


def test_a_whole_job_that_was_stopped_is_a_note_and_the_stages_remain(
    children: Children, movie: Path
) -> None:
    children.ends["whole job"] = ChildDiedError("killed")

    report = measured(movie)

    assert report.whole_job is None
    assert report.stages == STAGES
    (note,) = report.notes
    assert note.startswith("whole job: the process was stopped")


def test_without_any_runtime_there_is_no_benchmark(
    children: Children, movie: Path, temporary: Path
) -> None:
    children.speeds = {"tensorflow": {}, "openvino": {}}
    children.ends = {"tensorflow": RunError("not installed"), "openvino": ChildDiedError("killed")}

    with pytest.raises(RunError) as raised:
        measured(movie)

    assert str(raised.value) == (
        "tensorflow: not installed; "
        "openvino: the process was stopped at batch 1, most likely for lack of memory"
    )
    assert "measure_whole_job" not in children.given
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"movies": ["a.avi", "b.avi"]}, "2 movies: a benchmark takes exactly one"),
        ({"movies": ["none.avi"]}, "there is no such file"),
        ({"model": "none"}, "there is no such folder"),
        ({"crop_rect": CropRectangle(0, 0, 129, 96)}, "reaches beyond"),
        ({"displayed_body_parts": ["noze"]}, "unknown body part 'noze'"),
        ({"draw_skeleton": True, "skeleton": "nose"}, "skeleton 'nose'"),
    ],
)
def test_bad_input_is_found_before_anything_is_measured(
    children: Children, movie: Path, temporary: Path, options: dict[str, Any], rule: str
) -> None:
    job = Job(**{"movies": [movie], "output_dir": Path("unused"), **options})

    with pytest.raises(InputError, match=rule):
        measure(job, Progress(), is_null=False, most_frames=None)

    assert children.given == {}
    assert list(temporary.iterdir()) == []


def test_nothing_is_left_where_a_measurement_is_interrupted(
    movie: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        (directory,) = temporary.iterdir()
        assert directory.name.startswith("posestream-bench-")
        raise KeyboardInterrupt

    monkeypatch.setattr(measurement, "run_in_child", interrupt)
    progress = Recorder()
    with pytest.raises(KeyboardInterrupt):
        measure(Job([movie], Path("unused")), progress, is_null=True, most_frames=None)

    assert list(temporary.iterdir()) == []
    assert progress.num_ended == 1


def die_at_the_second_size(
    tell: Callable[[InferenceCost], None], _folder: Path, runtime: str, *_: object
) -> str:
    tell(InferenceCost(runtime, 1, Cost(1, 1.0, 1.0), 100.0))
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def test_a_process_that_is_killed_for_its_memory_ends_its_own_measurement_alone(
    children: Children, movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(function: Callable[..., Any], *arguments: Any, tell: Callable[[Any], None]) -> Any:
        is_inference = function is die_at_the_second_size
        return (run_in_child if is_inference else children)(function, *arguments, tell=tell)

    monkeypatch.setattr(measurement, "run_in_child", run)
    monkeypatch.setattr(measurement, "measure_inference", die_at_the_second_size)

    report = measured(movie, runtime="openvino", most_frames=9)

    assert report.notes == [
        "openvino: the process was stopped at batch 2, most likely for lack of memory"
    ]
    assert report.chosen is not None
    assert (report.chosen.runtime, report.chosen.batch_size) == ("openvino", 1)
