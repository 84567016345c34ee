"""A benchmark measures what it can, chooses by that, and says what it could not measure."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import CropRectangle, InputError, Job, RunError
from engine.bench import measurement
from engine.bench.child import ChildDiedError, run_in_child
from engine.bench.inference import BATCH_SIZES, InferenceCost
from engine.bench.measurement import measure
from engine.bench.report import Report
from engine.builtin import MODEL_DIR
from engine.cost import Cost
from engine.progress import SilentProgress
from tests.engine.bench.reports import STAGES, WHOLE_JOB
from tests.small_movies import small_movie

Speeds = dict[int, float]


class Recorder(SilentProgress):
    """Remembers what was begun, told and ended."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int | None, str]] = []
        self.told: list[int] = []
        self.num_ended = 0

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:  # noqa: ARG002 -- as every progress
        self.begun.append((name, total, unit))

    def advance(self, done: int) -> None:
        self.told.append(done)

    def end(self) -> None:
        self.num_ended += 1


class Children:
    """Stands in for the processes: made-up costs, and errors where they are wanted.

    A runtime's speeds are frames/s by batch size; what it returns or raises comes after these.
    """

    def __init__(self, num_frames: int = 1000) -> None:
        self.num_frames = num_frames
        self.speeds: dict[str, Speeds] = {
            "tensorflow": dict.fromkeys(BATCH_SIZES, 50),
            "openvino": dict.fromkeys(BATCH_SIZES, 100),
        }
        self.ends: dict[str, str | Exception] = {}
        self.given: dict[str, list[tuple[Any, ...]]] = {}

    def __call__(
        self, function: Callable[..., Any], *arguments: Any, tell: Callable[[Any], None]
    ) -> Any:
        name = function.__name__
        self.given.setdefault(name, []).append(arguments)
        if name == "measure_stages":
            tell(10)
            return STAGES
        if name == "measure_inference":
            _, runtime, _, sizes, _ = arguments
            return self._inference(tell, runtime, sizes)
        assert name == "measure_whole_job"
        if isinstance(end := self.ends.get("whole job"), Exception):
            raise end
        _, most_frames, *_ = arguments
        total = replace(WHOLE_JOB.total, num_frames=min(most_frames, self.num_frames))
        return replace(WHOLE_JOB, total=total)

    def _inference(self, tell: Callable[[Any], None], runtime: str, sizes: Iterable[int]) -> str:
        for size in sizes:
            if size not in self.speeds[runtime]:
                break
            speed = self.speeds[runtime][size]
            tell(InferenceCost(runtime, size, Cost(100, 100 / speed, 200 / speed), 300.0))
        end = self.ends.get(runtime, "")
        if isinstance(end, Exception):
            raise end
        return end

    @property
    def job(self) -> Job:
        """The whole job's."""
        ((job, *_),) = self.given["measure_whole_job"]
        assert isinstance(job, Job)
        return job

    @property
    def most_frames(self) -> int:
        """The whole job's."""
        (arguments,) = self.given["measure_whole_job"]
        most_frames = arguments[1]
        assert isinstance(most_frames, int)
        return most_frames

    @property
    def tried(self) -> dict[str, tuple[int, ...]]:
        """Batch sizes that were asked for, by runtime."""
        return {runtime: sizes for _, runtime, _, sizes, _ in self.given["measure_inference"]}


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    children = Children()
    monkeypatch.setattr(measurement, "run_in_child", children)
    monkeypatch.setattr(measurement, "num_cores", lambda: 2)
    return children


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_movie(tmp_path_factory.mktemp("movie") / "movie.avi", num_frames=12)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories are made, to see that none is left."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


def measured(
    movie: Path, *, is_null: bool = False, most_frames: int | None = None, **options: Any
) -> Report:
    job = Job([movie], Path("unused"), **options)
    return measure(job, SilentProgress(), is_null=is_null, most_frames=most_frames)


# What is chosen


def test_runtimes_and_batch_sizes_that_are_not_given_are_all_measured(
    children: Children, movie: Path
) -> None:
    report = measured(movie)

    assert children.tried == {"tensorflow": BATCH_SIZES, "openvino": BATCH_SIZES}
    assert len(report.inference) == 12
    assert report.notes == [
        "the movie has 1000 frames, fewer than the 1380 wanted: the whole job "
        "was measured on all of them"
    ]


def test_the_whole_job_runs_on_the_fastest_runtime_at_its_best_batch_size(
    children: Children, movie: Path
) -> None:
    children.speeds["tensorflow"] = {1: 50, 2: 90, 4: 150, 8: 160, 16: 210, 32: 220}

    report = measured(movie)

    assert report.chosen is not None
    assert (report.chosen.runtime, report.chosen.batch_size) == ("tensorflow", 16)
    assert (children.job.runtime, children.job.batch_size) == ("tensorflow", 16)


def test_the_usual_batch_size_is_kept_where_no_other_is_clearly_faster(
    children: Children, movie: Path
) -> None:
    children.speeds["openvino"] = {1: 100, 2: 105, 4: 100, 8: 100, 16: 108, 32: 90}

    measured(movie)

    assert (children.job.runtime, children.job.batch_size) == ("openvino", 8)


def test_what_is_given_is_not_chosen(children: Children, movie: Path) -> None:
    measured(movie, runtime="tensorflow", batch_size=2)

    assert children.tried == {"tensorflow": (2,)}
    assert (children.job.runtime, children.job.batch_size) == ("tensorflow", 2)


def test_a_batch_size_that_is_to_be_found_is(children: Children, movie: Path) -> None:
    measured(movie, runtime="openvino", batch_size="auto")

    assert children.tried == {"openvino": BATCH_SIZES}
    assert children.job.batch_size == 8


def test_the_null_model_has_no_inference(children: Children, movie: Path) -> None:
    report = measured(movie, is_null=True)

    assert "measure_inference" not in children.given
    assert (report.chosen, report.inference, report.model) == (None, [], "null (constant poses)")
    assert children.given["measure_whole_job"][0][2] is True


def test_every_measurement_is_of_the_job_that_was_asked_for(
    children: Children, movie: Path, temporary: Path
) -> None:
    crop = CropRectangle(8, 4, 64, 48)
    report = measured(movie, crop_rect=crop, window_length=3, draw_skeleton=True)

    ((stages_job, info, *_),) = children.given["measure_stages"]
    for job in (stages_job, children.job):
        assert (job.movies, job.crop_rect, job.window_length) == ((movie,), crop, 3)
        assert job.draw_skeleton
        assert temporary in job.output_dir.parents
    assert info.path == movie
    assert {arguments[0] for arguments in children.given["measure_inference"]} == {MODEL_DIR}
    assert {arguments[2] for arguments in children.given["measure_inference"]} == {(48, 64, 3)}
    assert report.image_shape == (48, 64, 3)
    assert report.model == MODEL_DIR.name


# How long the whole job is


def test_the_whole_job_takes_some_seconds_by_what_its_stages_take(
    children: Children, movie: Path
) -> None:
    """Twenty seconds on two cores are time for 40 / 0.009 frames."""
    assert measurement.WHOLE_JOB_S == 20
    measured(movie, is_null=True)

    assert children.most_frames == 4445


def test_the_model_counts_where_there_is_one(children: Children, movie: Path) -> None:
    """A frame takes 9 ms of a core around the model and 20 ms in it."""
    measured(movie, runtime="openvino", batch_size=8)

    assert children.most_frames == 1380


def test_it_is_never_too_short_for_its_batches_and_its_window(
    children: Children, movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "WHOLE_JOB_S", 0.001)
    measured(movie, is_null=True, window_length=101, batch_size=16)

    assert children.most_frames == 2 * (16 + 101)


def test_it_has_the_frames_that_were_asked_for(children: Children, movie: Path) -> None:
    report = measured(movie, is_null=True, most_frames=7)

    assert children.most_frames == 7
    assert children.given["measure_stages"][0][2] == 7
    assert report.notes == []


@pytest.mark.usefixtures("children")
def test_frames_beyond_the_movie_are_a_note(movie: Path) -> None:
    report = measured(movie, is_null=True, most_frames=1001)

    assert report.notes == [
        "the movie has 1000 frames, fewer than the 1001 asked for: "
        "the whole job was measured on all of them"
    ]


# What goes wrong


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
        measure(job, SilentProgress(), is_null=False, most_frames=None)

    assert children.given == {}
    assert list(temporary.iterdir()) == []


# While it runs


@pytest.mark.usefixtures("children")
def test_each_measurement_tells_how_far_it_is(movie: Path) -> None:
    progress = Recorder()
    job = Job([movie], Path("unused"), runtime="openvino")

    measure(job, progress, is_null=False, most_frames=9)

    assert progress.begun == [
        ("stages one by one, for 8 s", 9, "frames"),
        ("inference on openvino", 6, "batch sizes"),
        ("whole job", 9, "frames"),
    ]
    assert progress.told == [10, 1, 2, 3, 4, 5, 6]
    assert progress.num_ended == 3


@pytest.mark.usefixtures("children")
def test_no_more_frames_are_expected_than_the_movie_has(movie: Path) -> None:
    progress = Recorder()
    job = Job([movie], Path("unused"))

    measure(job, progress, is_null=True, most_frames=None)

    assert [total for _, total, _ in progress.begun] == [12, 12]


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


# Real measurements


def directly(function: Callable[..., Any], *arguments: Any, tell: Callable[[Any], None]) -> Any:
    return function(tell, *arguments)


def test_what_is_measured_fits_together(
    movie: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "run_in_child", directly)
    monkeypatch.setattr(measurement, "INFERENCE_S", 0.01)
    monkeypatch.setattr(measurement, "WHOLE_JOB_S", 0.01)

    report = measured(movie, runtime="openvino", batch_size=4)

    assert report.chosen in report.inference
    assert report.stages.by_stage["decode"].num_frames == 12
    assert report.whole_job is not None
    assert report.whole_job.total.num_frames == 12
    assert "recommended" in report.as_json()
    assert list(temporary.iterdir()) == []


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
