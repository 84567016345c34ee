"""Lines are reduced to each column's minimum and maximum, exactly and in bounded memory."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sinks.previews.reductions import NUM_COLUMNS, LineReducer


def reduced(
    values: NDArray[np.float64], cuts: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    reducer = LineReducer(values.shape[1])
    for part in np.split(values, sorted(cut % (len(values) + 1) for cut in cuts)):
        reducer.add(part)
    return reducer.points()


def test_up_to_the_columns_every_value_is_there() -> None:
    values = np.random.default_rng(0).normal(size=(NUM_COLUMNS, 2))

    frame_indices, points = reduced(values, [7, 900])

    np.testing.assert_array_equal(frame_indices, np.arange(NUM_COLUMNS))
    np.testing.assert_array_equal(points, values)


@settings(max_examples=30)
@given(
    num_frames=st.integers(NUM_COLUMNS + 1, 20 * NUM_COLUMNS),
    cuts=st.lists(st.integers(0, 10**6), max_size=5),
    seed=st.integers(0, 2**32 - 1),
)
def test_beyond_each_column_has_its_frames_minimum_and_maximum(
    num_frames: int, cuts: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(num_frames, 2))
    values[random.random(num_frames) < 0.2] = np.nan
    values[100:300] = np.nan

    frame_indices, points = reduced(values, cuts)

    num_columns = len(points) // 2
    width = round(frame_indices[2] - frame_indices[0])
    assert NUM_COLUMNS / 2 < num_columns <= NUM_COLUMNS
    padded = np.full((num_columns * width, 2), np.nan)
    padded[:num_frames] = values
    columns = padded.reshape(num_columns, width, 2)
    np.testing.assert_array_equal(points[0::2], np.fmin.reduce(columns, axis=1))
    np.testing.assert_array_equal(points[1::2], np.fmax.reduce(columns, axis=1))
    np.testing.assert_array_equal(frame_indices[0::2], frame_indices[1::2])


def test_no_frames_make_no_points() -> None:
    frame_indices, points = LineReducer(3).points()

    assert len(frame_indices) == 0
    assert points.shape == (0, 3)
