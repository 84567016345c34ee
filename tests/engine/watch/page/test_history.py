"""The last minute, column by column."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.watch.page.history import COLUMN_S, History, column_of
from readers import FrameStatus
from sinks import PoseBatch
from tests.batches import frame_batch

NUM_COLUMNS = 240
START_S = 1000.0
FIRST = column_of(START_S)


def published(
    likelihoods: list[list[float]], arrival_s: float, status: FrameStatus = FrameStatus.DECODED
) -> PoseBatch:
    n = len(likelihoods)
    frames = replace(
        frame_batch(0, n),
        arrival_time_s=np.full(n, arrival_s),
        status=np.full(n, status, np.uint8),
    )
    poses = np.zeros((n, len(likelihoods[0]), 3))
    poses[..., 2] = likelihoods
    return PoseBatch(frames, poses)


@dataclass
class Columns:
    """The columns of a history as arrays, columns first, with NaN for None."""

    first: int
    likelihood_mean: NDArray[np.float64]
    likelihood_min: NDArray[np.float64]
    latency_mean_ms: NDArray[np.float64]
    latency_max_ms: NDArray[np.float64]
    backlog: NDArray[np.float64]


def columns_of(history: History, first: int, stop: int) -> Columns:
    told = history.as_json(first, stop)
    assert told.pop("num_columns") == NUM_COLUMNS
    assert told.pop("column_s") == COLUMN_S
    begin = told.pop("first")
    assert isinstance(begin, int)
    return Columns(begin, **{name: np.array(told[name], np.float64).T for name in told})


def test_a_column_sums_up_its_frames() -> None:
    history = History(2)
    history.add(published([[0.5, 1.0], [0.7, 0.2]], START_S - 0.01), START_S)
    history.add(published([[0.9, 0.9]], START_S + 0.1 - 0.04), START_S + 0.1)
    history.add_backlog(3, START_S)
    history.add_backlog(1, START_S + 0.1)

    columns = columns_of(history, FIRST, FIRST + 1)

    np.testing.assert_allclose(columns.likelihood_mean, [[0.7, 0.7]])
    np.testing.assert_allclose(columns.likelihood_min, [[0.5, 0.2]])
    assert columns.latency_mean_ms[0] == 20
    assert columns.latency_max_ms[0] == 40
    assert columns.backlog[0] == 3


def test_columns_without_frames_are_unknown() -> None:
    history = History(1)
    history.add(published([[0.5]], START_S), START_S)
    history.add(published([[0.5]], START_S), START_S + 3 * COLUMN_S)

    columns = columns_of(history, FIRST, FIRST + 4)

    assert np.isnan(columns.likelihood_mean[:, 0]).tolist() == [False, True, True, False]
    assert np.isnan(columns.latency_max_ms).tolist() == [False, True, True, False]


def test_skipped_frames_do_not_count() -> None:
    history = History(1)
    history.add(published([[0.0]], START_S, FrameStatus.SKIPPED), START_S)

    assert np.isnan(columns_of(history, FIRST, FIRST + 1).likelihood_mean).all()


def test_only_a_minute_is_kept() -> None:
    history = History(1)
    for column in range(3 * NUM_COLUMNS):
        history.add(published([[0.5]], START_S), START_S + column * COLUMN_S)

    columns = columns_of(history, 0, FIRST + 3 * NUM_COLUMNS)

    assert columns.first == FIRST + 2 * NUM_COLUMNS
    assert len(columns.likelihood_mean) == NUM_COLUMNS
    assert not np.isnan(columns.likelihood_mean).any()


def test_after_a_silence_the_old_is_gone() -> None:
    history = History(1)
    history.add(published([[0.5]], START_S), START_S)

    columns = columns_of(history, 0, FIRST + 5 * NUM_COLUMNS)

    assert np.isnan(columns.likelihood_mean).all()


def test_a_column_that_is_used_again_forgets_what_was_in_it() -> None:
    history = History(1)
    later_s = START_S + NUM_COLUMNS * COLUMN_S
    history.add(published([[0.1]], START_S - 5), START_S)
    history.add_backlog(9, START_S)
    history.add(published([[0.8]], later_s - 1), later_s)

    columns = columns_of(history, FIRST + NUM_COLUMNS, FIRST + NUM_COLUMNS + 1)

    assert columns.likelihood_mean.tolist() == columns.likelihood_min.tolist() == [[0.8]]
    assert columns.latency_max_ms.tolist() == [1000]
    assert np.isnan(columns.backlog).all()
