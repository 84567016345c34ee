"""A model is made ready for windows where there will be some, and for nothing more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Job
from engine.builtin import MODEL_DIR
from engine.follow.loading import load_for
from engine.inference import CutSides, read_export

EXPORT = read_export(MODEL_DIR)
WINDOW = (96, 96, 3)


def num_begun_at_a_time(follow: str, batch_size: int | None = None) -> int:
    job = Job([Path("movie.mp4")], Path("output"), follow=follow, batch_size=batch_size)
    model = load_for(job, EXPORT, "openvino")
    assert model.runtime.startswith("openvino")
    return model.images_ahead(WINDOW)


@pytest.mark.often(1)
@pytest.mark.parametrize("follow", ["poses", "auto"])
def test_a_batch_and_the_one_before_are_begun_at_a_time(follow: str) -> None:
    assert num_begun_at_a_time(follow) == 2 * 4
    assert num_begun_at_a_time(follow, batch_size=1) == 2


def test_of_whole_frames_as_many_are_begun_as_are_worth_it() -> None:
    assert num_begun_at_a_time("off", batch_size=1) == 8


def test_what_cannot_be_followed_is_made_ready_for_whole_frames_alone() -> None:
    job = Job([Path("movie.mp4")], Path("output"), follow="auto", batch_size=1)

    model = load_for(job, replace(EXPORT, geometry=None), "openvino")

    assert model.runtime.startswith("openvino")
    assert model.images_ahead(WINDOW) == 8


@pytest.mark.parametrize(("multiplications_per_px", "continues"), [(3_000, False), (120_000, True)])
def test_of_heavy_networks_alone_windows_are_continued(
    multiplications_per_px: int, continues: bool
) -> None:
    assert EXPORT.geometry is not None
    geometry = replace(EXPORT.geometry, multiplications_per_px=multiplications_per_px)
    job = Job([Path("movie.mp4")], Path("output"), follow="poses")
    window = np.random.default_rng(0).integers(0, 256, (1, *WINDOW), np.uint8)
    cut = CutSides(left=True, top=True, right=True, bottom=True)

    model = load_for(job, replace(EXPORT, geometry=geometry), "openvino")

    is_same = np.array_equal(model.start(window, cut).result(), model.predict(window))
    assert is_same is not continues
