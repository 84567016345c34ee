"""What one frame costs: decoding and the model, apart, at the camera's pace and without a pause."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.own_time import percentiles_of_times
from benchmarks.synthetic import write_avi
from engine.inference import PoseModel
from readers import FrameBatch, MovieReader, inspect_movie, open_movie
from tests.small_movies import pictures

NUM_FRAMES = 40


class Time:
    """Passes when somebody waits, decodes, or asks the model."""

    now_s = 100.0

    def clock(self) -> float:
        return self.now_s

    def wait(self, duration_s: float) -> None:
        self.now_s += duration_s


class SlowReader:
    """Takes 1 ms for a frame."""

    def __init__(self, reader: MovieReader, passing: Time) -> None:
        self._reader, self._passing = reader, passing
        self.image_shape = reader.image_shape
        self.read_at_s: list[float] = []

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        self.read_at_s.append(self._passing.now_s)
        self._passing.now_s += 0.001
        return self._reader.read(images)


class SlowModel(PoseModel):
    """Takes 4 ms for a frame, and a second for the first ones."""

    body_parts = ("nose",)
    runtime = "none"

    def __init__(self, passing: Time) -> None:
        self._passing = passing
        self.num_seen = 0

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        assert len(images) == 1
        self._passing.now_s += 1 if self.num_seen < 30 else 0.004
        self.num_seen += 1
        return np.zeros((1, 1, 3))

    def close(self) -> None: ...


@pytest.mark.parametrize("period_s", [0.0, 2.0])
def test_decoding_and_the_model_are_timed_apart_from_the_waiting(
    period_s: float, tmp_path: Path
) -> None:
    path = tmp_path / "movie.avi"
    write_avi(path, pictures(NUM_FRAMES), 30)
    passing = Time()
    model = SlowModel(passing)
    with open_movie(inspect_movie(path)) as opened:
        reader = SlowReader(opened, passing)
        times = percentiles_of_times(reader, model, period_s, passing.clock, passing.wait)
    assert model.num_seen == NUM_FRAMES
    for name, expected_ms in (("decode", 1), ("model", 4), ("sum", 5)):
        assert [*times[name].values()] == pytest.approx([expected_ms] * 3)
    if period_s:
        assert np.diff(reader.read_at_s) == pytest.approx([period_s] * NUM_FRAMES)
