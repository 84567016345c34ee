"""Whether an animal can be followed is known before any work starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import InputError, Job
from engine.builtin import MODEL_DIR
from engine.follow.settings import (
    FollowSettings,
    follow_settings,
    follow_warnings,
    load_for,
)
from engine.follow.window import Grid
from engine.inference import CutSides, ModelExport, read_export
from engine.inference.geometry import Geometry

EXPORT = read_export(MODEL_DIR)
OF_BATCH = replace(EXPORT, depends_on_batch=True)
WITHOUT_STRIDE = replace(EXPORT, geometry=None)


def job(follow: str) -> Job:
    return Job([Path("movie.mp4")], Path("output"), follow=follow)


def test_nothing_is_followed_unless_it_is_asked_for() -> None:
    assert follow_settings(Job([Path("movie.mp4")], Path("output")), EXPORT) is None


@pytest.mark.parametrize(
    ("follow", "uses_tracker", "is_calibrated"),
    [("poses", False, False), ("tracker", True, False), ("auto", True, True)],
)
def test_ways_to_follow(follow: str, uses_tracker: bool, is_calibrated: bool) -> None:
    settings = follow_settings(job(follow), EXPORT)

    assert settings == FollowSettings(
        16, 112, uses_tracker=uses_tracker, is_calibrated=is_calibrated, is_heavy=False
    )


def test_with_a_small_network_there_are_few_sizes_and_much_at_a_time() -> None:
    settings = follow_settings(job("poses"), EXPORT)

    assert settings is not None
    assert settings.batch_size == 4
    assert settings.grid(640, 480) == Grid(640, 480, 16, side_step=4, most_sizes=8)


def test_with_a_network_as_large_as_a_resnet_windows_are_as_small_as_can_be() -> None:
    resnet = Geometry(16, 499, multiplications_per_px=117_360)

    settings = follow_settings(job("poses"), replace(EXPORT, geometry=resnet))

    assert settings is not None
    assert settings.batch_size == 1
    assert settings.grid(640, 480) == Grid(640, 480, 16, side_step=2, most_sizes=6)


@pytest.mark.parametrize("follow", ["poses", "tracker"])
@pytest.mark.parametrize(
    ("export", "problem"),
    [
        (OF_BATCH, "normalises each picture by itself"),
        (WITHOUT_STRIDE, "stride .* cannot"),
    ],
)
def test_a_model_whose_windows_would_mislead_is_refused(
    follow: str, export: ModelExport, problem: str
) -> None:
    with pytest.raises(InputError, match=rf"^follow {follow}: .*{problem}.*; only off and auto"):
        follow_settings(job(follow), export)


@pytest.mark.parametrize("export", [OF_BATCH, WITHOUT_STRIDE])
def test_auto_goes_back_to_whole_frames_and_says_so(export: ModelExport) -> None:
    assert follow_settings(job("auto"), export) is None
    (warning,) = follow_warnings(job("auto"), export)
    assert warning.endswith("; all frames are looked at whole")


@pytest.mark.parametrize("follow", ["off", "poses", "tracker", "auto"])
def test_there_is_nothing_to_warn_of_where_it_can_be_followed(follow: str) -> None:
    assert follow_warnings(job(follow), EXPORT) == []


def test_another_way_is_refused() -> None:
    with pytest.raises(InputError, match="follow 'mouse': allowed are off, poses, tracker, auto"):
        job("mouse")


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
