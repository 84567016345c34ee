"""A benchmark measures what it can, chooses by that, and tells how far it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import CropRectangle, Job
from engine.bench import measurement
from engine.bench.costs import BATCH_SIZES
from engine.bench.measurement import measure
from engine.builtin import MODEL_DIR
from tests.engine.bench.recorder import Recorder
from tests.engine.machine.children import Children, measured

pytestmark = pytest.mark.usefixtures("temporary")


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


# Following the animal


def test_the_whole_job_runs_whole_and_then_followed(children: Children, movie: Path) -> None:
    report = measured(movie, follow="poses")

    whole, followed = (job for job, *_ in children.given["measure_whole_job"])
    assert (whole.follow, whole.batch_size) == ("off", 8)
    assert (followed.follow, followed.batch_size) == ("poses", None)
    assert followed.runtime == whole.runtime
    assert report.followed is not None


def test_nothing_is_followed_unless_it_is_asked_for(children: Children, movie: Path) -> None:
    assert measured(movie).followed is None
    assert len(children.given["measure_whole_job"]) == 1
