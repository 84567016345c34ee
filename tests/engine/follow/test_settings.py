"""Whether an animal can be followed is known before any work starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine import InputError, Job
from engine.builtin import MODEL_DIR
from engine.follow.settings import FollowSettings, follow_settings, follow_warnings
from engine.follow.window import Grid
from engine.inference import ModelExport, read_export
from engine.inference.graph.geometry import Geometry

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
