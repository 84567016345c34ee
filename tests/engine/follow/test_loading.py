"""A model is made ready for windows where there will be some, and for nothing more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine import Job
from engine.builtin import MODEL_DIR
from engine.follow.loading import load_for
from engine.inference import read_export
from engine.inference.openvino_model import OpenVinoModel

EXPORT = read_export(MODEL_DIR)
WINDOW = (96, 96, 3)


def num_begun_at_a_time(follow: str, batch_size: int | None = None) -> int:
    job = Job([Path("movie.mp4")], Path("output"), follow=follow, batch_size=batch_size)
    model = load_for(job, EXPORT, "openvino")
    assert isinstance(model, OpenVinoModel)
    return model.images_ahead(WINDOW)


@pytest.mark.parametrize("follow", ["poses", "auto"])
def test_a_batch_and_the_one_before_are_begun_at_a_time(follow: str) -> None:
    assert num_begun_at_a_time(follow) == 2 * 4
    assert num_begun_at_a_time(follow, batch_size=1) == 2


def test_of_whole_frames_as_many_are_begun_as_are_worth_it() -> None:
    assert num_begun_at_a_time("off", batch_size=1) == 8


def test_what_cannot_be_followed_is_made_ready_for_whole_frames_alone() -> None:
    job = Job([Path("movie.mp4")], Path("output"), follow="auto", batch_size=1)

    model = load_for(job, replace(EXPORT, geometry=None), "openvino")

    assert isinstance(model, OpenVinoModel)
    assert model.images_ahead(WINDOW) == 8
