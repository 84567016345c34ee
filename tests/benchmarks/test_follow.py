"""What is told of a followed animal's errors is what was off, and for how long."""

import numpy as np
import pytest

from benchmarks.follow import Comparison
from benchmarks.follow_gain import back_and_forth

NUM_BODY_PARTS = 2


def test_likely_points_count_and_a_loss_is_as_long_as_it_lasts() -> None:
    whole = np.zeros((6, NUM_BODY_PARTS, 3))
    whole[:, 0, 2] = 0.9
    followed = whole.copy()
    followed[:, 1, 0] = 50  # where the whole frame sees nothing either
    followed[[1, 3, 4], 0, 0] = [3, 4, 0.5]
    followed[4, 0, 1] = 1.2
    found = Comparison()

    found.add(followed[:4], whole[:4])
    found.add(followed[4:], whole[4:])

    assert found.errors_px == [0, 3, 0, 4, 1.3, 0]
    told = found.as_json()
    assert told["num_points"] == 6
    assert told["median_px"] == pytest.approx(0.65)
    assert told["share_within_1_px"] == 0.5
    assert told["longest_loss_frames"] == 2  # although another batch begins between the two


def test_a_movie_that_is_shown_back_and_forth_never_jumps() -> None:
    pictures = [np.full((1, 1, 3), number, np.uint8) for number in range(4)]

    shown = back_and_forth(pictures)

    assert [int(next(shown)[0, 0, 0]) for _ in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]
