"""What the measurements say, by hand: sums, shares, what bounds, and how long a movie takes."""

import json
from dataclasses import replace

import pytest

from engine.bench.costs import InferenceCost
from engine.pipeline.batch_size import Cost
from tests.engine.bench.reports import (
    CHOSEN,
    STAGES,
    WHOLE_JOB,
    report,
    report_of_null_model,
    stages,
)

# Core-milliseconds a frame: decode 1, conversion 1, inference 11, filter 0.5, labelled movie 5,
# and 0.5 for each of three outputs.
SUM_MS = 20.0
SUM_OF_NULL_MODEL_MS = 9.0


def test_stages_come_in_the_order_of_the_datas_way() -> None:
    names = list(STAGES.by_stage)

    assert list(report().by_stage) == [*names[:2], "inference", *names[2:]]
    assert report().by_stage["inference"] == CHOSEN.cost
    assert list(report_of_null_model().by_stage) == names


def test_a_frames_core_seconds_are_those_of_all_stages() -> None:
    assert 1e3 * report().core_s_per_frame == pytest.approx(SUM_MS)
    assert 1e3 * report_of_null_model().core_s_per_frame == pytest.approx(SUM_OF_NULL_MODEL_MS)


def test_the_parts_of_the_whole_job_are_its_frames_its_start_and_its_end() -> None:
    # 1000 frames of 20 ms; startup 4 s, opening 0.5 s, closing 1.5 s
    assert report().own_core_s(WHOLE_JOB) == pytest.approx(26.0)
    assert report().overhead(WHOLE_JOB) == pytest.approx(20.0 * 2 / 26.0)


def test_no_core_was_idle_where_wall_time_is_that_of_the_parts_on_all_cores() -> None:
    ideal = replace(WHOLE_JOB, total=Cost(1000, wall_s=13.0, core_s=26.0))

    assert report().overhead(ideal) == pytest.approx(1.0)


def test_the_whole_job_is_compared_to_the_slower_of_reading_and_encoding() -> None:
    # reading 2 ms, encoding 4 ms, whole job 10 ms a frame
    assert report().over_codec(WHOLE_JOB) == pytest.approx(10 / 4)

    slow = stages(decode=Cost(100, wall_s=0.7, core_s=0.1))
    assert report(stages=slow).over_codec(WHOLE_JOB) == pytest.approx(10 / 8)


def test_where_all_stages_together_need_all_cores_the_processor_bounds() -> None:
    assert report().bound() == (
        "the processor, all 2 cores of it, at 100 frames/s; inference takes 55% of its time"
    )


def test_where_one_stage_cannot_keep_up_on_its_thread_it_bounds() -> None:
    # without inference the processor has time for 2 / 9 ms = 222 frames/s
    slow = {
        "reading": stages(decode=Cost(100, wall_s=0.7, core_s=0.1)),
        "drawing and encoding": stages(labelled_movie=Cost(100, wall_s=0.8, core_s=0.5)),
        "data": stages(previews=Cost(100, wall_s=0.7, core_s=0.05)),
    }
    for worker, costs in slow.items():
        bound = report_of_null_model(stages=costs).bound()
        assert bound == f"{worker}, which runs on one thread, at 125 frames/s"


def test_of_several_that_cannot_keep_up_the_slowest_bounds() -> None:
    costs = stages(
        decode=Cost(100, wall_s=0.9, core_s=0.1),
        labelled_movie=Cost(100, wall_s=2.0, core_s=0.1),
        previews=Cost(100, wall_s=1.4, core_s=0.05),
    )

    bound = report_of_null_model(stages=costs).bound()

    assert bound == "drawing and encoding, which runs on one thread, at 50 frames/s"


def test_inference_that_leaves_the_processor_idle_bounds() -> None:
    """As on a GPU: 40 ms a frame, of which the processor works 1 ms."""
    on_gpu = InferenceCost("tensorflow", 1, Cost(100, wall_s=3.95, core_s=0.1), 900.0)

    assert report(chosen=on_gpu).bound() == "inference and median filter, at 25 frames/s"


@pytest.mark.parametrize(
    ("hours", "predicted_s"),
    [(0, 3 + 2), (1, 3 + 720 + 2), (24, 3 + 24 * 720 + 2)],
)
def test_a_longer_movie_goes_on_at_the_speed_once_it_runs(hours: int, predicted_s: float) -> None:
    """20 frames/s are worked on at 100 frames/s; 3 s until the first poses, 2 s at the end."""
    assert report().seconds_for(3600 * hours) == pytest.approx(predicted_s)


def test_the_prediction_of_the_movie_that_was_measured_is_what_it_took() -> None:
    job = replace(WHOLE_JOB, total=Cost(900, wall_s=14.0, core_s=30.0))

    assert report(whole_job=job).seconds_for(900 / 20) == pytest.approx(job.total.wall_s)


def test_without_a_whole_job_the_prediction_is_by_what_bounds() -> None:
    stopped = report(whole_job=None)

    # 20 ms a frame on 2 cores; outputs are finished in 2 s
    assert stopped.seconds_for(3600) == pytest.approx(72_000 * 0.010 + 2.0)
    assert stopped.as_json()["whole_job"] is None


def test_all_numbers_are_plain_json() -> None:
    made = report(notes=["something"])
    content = made.as_json()

    assert json.loads(json.dumps(content)) == content
    assert list(content) == [
        *("movie", "model", "stages", "inference", "whole_job"),
        *("followed", "bound", "predicted_s", "recommended", "notes"),
    ]
    assert content["movie"] == {
        "name": "mouse.mp4",
        "format": "mp4",
        "frame_height": 480,
        "frame_width": 640,
        "frame_rate": 20.0,
        "num_frames_in_header": 5000,
    }
    assert content["bound"] == made.bound()
    assert content["predicted_s"] == {"1 h": 725.0, "24 h": 17285.0}
    assert content["notes"] == ["something"]


def test_json_has_the_cost_of_every_stage_and_batch_size() -> None:
    content = json.loads(json.dumps(report().as_json()))

    assert [stage["name"] for stage in content["stages"]] == list(report().by_stage)
    assert content["stages"][0] == {
        "name": "decode",
        "num_frames": 200,
        "frames_per_s": 1000.0,
        "core_ms_per_frame": 1.0,
    }
    assert len(content["inference"]) == 4
    assert content["inference"][1] == {
        "runtime": "tensorflow",
        "batch_size": 8,
        "num_frames": 80,
        "frames_per_s": 50.0,
        "core_ms_per_frame": 37.5,
        "peak_mib": 950.5,
    }
    assert content["recommended"] == content["inference"][3]


def test_json_has_what_following_the_animal_gains() -> None:
    followed = replace(WHOLE_JOB, steady=Cost(900, wall_s=3.0, core_s=6.0), follow="followed: all")

    assert report().as_json()["followed"] is None
    assert report(followed=followed).as_json()["followed"] == {
        "num_frames": 1000,
        "frames_per_s": 50.0,
        "core_ms_per_frame": 30.0,
        "steady_frames_per_s": 300.0,
        "peak_mib": 512.4,
        "over_whole_frames": 3.0,
        "follow": "followed: all",
    }


def test_what_following_gains_is_not_known_where_the_whole_job_was_stopped() -> None:
    assert report(whole_job=None, followed=WHOLE_JOB).gain(WHOLE_JOB) is None


def test_json_has_the_whole_job() -> None:
    content = json.loads(json.dumps(report().as_json()))

    assert content["whole_job"] == {
        "num_frames": 1000,
        "frames_per_s": 50.0,
        "core_ms_per_frame": 30.0,
        "wall_s": 20.0,
        "steady_frames_per_s": 100.0,
        "startup_s": 2.0,
        "startup_core_s": 4.0,
        "first_pose_s": 3.0,
        "peak_mib": 512.4,
        "wall_times_cores_over_own_core_s": pytest.approx(40 / 26),
        "wall_over_slower_codec": pytest.approx(2.5),
    }


def test_json_of_the_null_model_recommends_nothing() -> None:
    content = report_of_null_model().as_json()

    assert content["inference"] == []
    assert content["recommended"] is None
