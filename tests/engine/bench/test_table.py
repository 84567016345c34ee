"""The report that people read."""

from dataclasses import replace
from fractions import Fraction

import pytest

from engine.bench.report import as_text
from engine.pipeline.batch_size import Cost
from tests.engine.bench.reports import INFERENCE, MOVIE, WHOLE_JOB, report, report_of_null_model

WHOLE = """\
mouse.mp4: 640 x 480 pixels, 20 frames/s
model: model; cores: 2

each stage alone            frames/s   core-ms a frame   share
decode                         1,000                 1     5 %
colour conversion              1,000                 1     5 %
inference                        167                11    55 %
median filter                  2,000               0.5     2 %
labelled movie                   250                 5    25 %
pose estimates                 2,000               0.5     2 %
annotations                    2,000               0.5     2 %
previews                       2,000               0.5     2 %
sum                                                 20   100 %

inference, frames/s        batch 1   batch 8
tensorflow                      25        50
openvino                       100       167

whole job, 1000 frames, all outputs
  speed once it runs    100 frames/s
  first poses after     3.0 s
  peak memory           512 MiB
  wall time x cores     1.54 of the stages' own, with start and end
  wall time a frame     2.50 of the slower of reading and encoding

bound by: the processor, all 2 cores of it, at 100 frames/s; inference takes 55% of its time
a movie of 1 h takes about 12 min
a movie of 24 h takes about 4 h 48 min
recommended: --runtime openvino --batch-size 8
note: something could not be measured"""


def test_a_whole_report() -> None:
    assert as_text(report(notes=["something could not be measured"])) == WHOLE


def test_without_a_model_there_is_no_inference_and_no_recommendation() -> None:
    text = as_text(report_of_null_model())

    assert "model: null (constant poses); cores: 2" in text
    assert "inference" not in text
    assert "recommended" not in text
    assert "\n\n\n" not in text


def test_a_batch_size_that_was_not_tried_has_a_dash() -> None:
    lines = as_text(report(inference=[INFERENCE[0], *INFERENCE[2:]])).splitlines()

    assert "tensorflow                      25         -" in lines


def test_a_crop_shows_its_own_size_and_a_rate_its_digits() -> None:
    movie = replace(MOVIE, frame_period_s=Fraction(1001, 30_000))
    first, *_ = as_text(report(movie=movie, image_shape=(96, 128, 3))).splitlines()

    assert first == "mouse.mp4: 128 x 96 pixels, 29.97 frames/s"


@pytest.mark.parametrize(
    ("predicted_s", "duration"),
    [
        (5, "5 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (3600, "60 min"),
        (89 * 60, "89 min"),
        (90 * 60, "1 h 30 min"),
        (2 * 3600 + 5 * 60, "2 h 05 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(predicted_s: float, duration: str) -> None:
    """One hour has 72,000 frames; there are 5 s of start and end."""
    steady = Cost(72_000, wall_s=max(predicted_s - 5, 1e-9), core_s=1.0)
    text = as_text(report(whole_job=replace(WHOLE_JOB, steady=steady)))

    assert f"a movie of 1 h takes about {duration}\n" in text


def test_a_whole_job_that_was_stopped_is_left_out() -> None:
    text = as_text(report(whole_job=None, notes=["whole job: the process was stopped"]))

    assert "whole job," not in text
    assert "peak memory" not in text
    assert "bound by: " in text
    assert text.endswith("note: whole job: the process was stopped")


def test_what_following_the_animal_gains_stands_behind_the_whole_job() -> None:
    followed = replace(WHOLE_JOB, steady=Cost(900, wall_s=3.0, core_s=6.0), follow="followed: all")

    text = as_text(report(followed=followed))

    assert (
        """
  wall time a frame     2.50 of the slower of reading and encoding

the same, following the animal, 1000 frames
  speed once it runs    300 frames/s, 3.00 times that of whole frames
  peak memory           512 MiB
  followed: all

bound by:"""
        in text
    )
