"""What following came to is counted right, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.follow.calibration import Calibration
from engine.follow.settings import FollowSettings
from engine.follow.tally import FollowTally
from engine.pipeline.prediction import FollowedBatch, Look, new_looks
from tests.batches import frame_batch

SETTINGS = FollowSettings(16, 112, uses_tracker=True, is_calibrated=True, is_heavy=False)
CALIBRATION = Calibration(96, 8, 100, 0.02, 0.4)


def followed(
    looks: list[Look],
    sizes: list[tuple[int, int]] | None = None,
    errors_px: list[float] | None = None,
) -> FollowedBatch:
    rows = new_looks(len(looks), Look.WINDOW)
    rows["look"] = looks
    if sizes is not None:
        rows["width"], rows["height"] = np.transpose(sizes)
    if errors_px is not None:
        rows["check_error_px"] = errors_px
    return FollowedBatch(frame_batch(0, len(looks)), np.zeros((len(looks), 2, 3)), rows)


def tally_of(*batches: FollowedBatch) -> FollowTally:
    tally = FollowTally(SETTINGS, CALIBRATION)
    for batch in batches:
        assert tally.push(batch) == [batch]
    assert tally.flush() == []
    return tally


def test_frames_are_counted_by_how_they_were_looked_at() -> None:
    looks = [Look.LOST] * 4 + [Look.WINDOW] * 15 + [Look.CHECK, Look.NOTHING, Look.KNOWN]

    told = tally_of(followed(looks), followed(looks)).as_json()

    counts = told["num_frames"]
    assert isinstance(counts, dict)
    assert {look: count for look, count in counts.items() if count} == {
        "lost": 8,
        "window": 30,
        "check": 2,
        "nothing": 2,
        "known": 2,
    }
    assert told["share_whole"] == 0.25
    assert told["context_px"] == 112
    assert told["calibration"] == {
        "context_px": 96,
        "num_frames": 8,
        "num_points": 100,
        "median_error_px": 0.02,
        "p99_error_px": 0.4,
    }


def test_sizes_of_windows_are_counted_the_most_frequent_first() -> None:
    told = tally_of(followed([Look.WINDOW] * 3, [(64, 32), (96, 96), (96, 96)])).as_json()

    assert told["windows"] == [
        {"width": 96, "height": 96, "num_frames": 2},
        {"width": 64, "height": 32, "num_frames": 1},
    ]


def test_of_very_many_sizes_the_first_are_counted() -> None:
    sizes = [(width, 32) for width in range(1, 1000)]

    told = tally_of(followed([Look.WINDOW] * len(sizes), sizes)).as_json()

    assert isinstance(told["windows"], list)
    assert len(told["windows"]) == 64


@given(errors_px=st.lists(st.floats(0, 5000) | st.just(np.nan), min_size=1, max_size=300))
def test_percentiles_of_errors_are_those_of_numpy_or_a_little_above(
    errors_px: list[float],
) -> None:
    told = tally_of(followed([Look.CHECK] * len(errors_px), errors_px=errors_px)).as_json()

    checks = told["checks"]
    assert isinstance(checks, dict)
    known = np.array(errors_px, np.float32)[~np.isnan(errors_px)]
    assert checks["num_frames"] == len(known)
    assert checks["num_failed"] == (known > 1).sum()
    if not len(known):
        assert checks["median_error_px"] is None
        return
    assert checks["largest_error_px"] == pytest.approx(known.max(), abs=1e-4)
    for name, percent in (("median_error_px", 50), ("p99_error_px", 99)):
        exact = np.percentile(known, percent, method="inverted_cdf")
        assert exact - 1e-4 <= checks[name] <= 1.06 * exact + 1.1e-3


def test_it_is_told_in_one_line() -> None:
    looks = [Look.LOST] * 4 + [Look.WINDOW] * 94 + [Look.CHECK, Look.EDGE]
    sizes = [(0, 0)] * 4 + [(304, 272)] * 96
    errors_px = [np.nan] * 98 + [0.5, np.nan]

    text = tally_of(followed(looks, sizes, errors_px)).as_text()

    assert text == (
        "followed: 6.0 % of frames whole (check: 1, animal not found: 4, near the window's edge: "
        "1); windows of 304 x 272, most often; of 1 checks half within 0.5 px, 99 % within 0.5 px, "
        "0 failed"
    )


def test_a_tracker_that_told_nothing_is_told() -> None:
    batch = followed([Look.WINDOW] * 2, [(64, 64)] * 2)

    assert tally_of(batch).lacks_tracker
    assert not tally_of(followed([Look.LOST] * 2)).lacks_tracker
    batch.looks["is_tracked"][1] = True
    assert not tally_of(batch).lacks_tracker


def test_of_a_movie_without_frames_little_is_told() -> None:
    assert tally_of().as_text() == "followed: 0.0 % of frames whole"
