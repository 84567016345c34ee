"""What a model costs is measured as a run drives it, and the best batch size chosen by that."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine import Job, run
from engine.bench.costs import NullModel
from engine.builtin import MODEL_DIR
from engine.inference import CutSides, PendingPoses, PoseModel, read_export
from engine.pipeline import batch_size as probe
from engine.pipeline.batch_size import (
    Cost,
    best_batch_size,
    costs_by_batch_size,
    inference_cost,
    probe_batch_size,
)
from engine.runs import run as composition
from tests.small_movies import small_movie

SHAPE = (96, 128, 3)
LARGE = (1080, 1920, 3)
"""Of such images one is worth having in hand at a time, of the others eight."""


class Clock:
    """Every clock that the probe looks at, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        time = SimpleNamespace(
            perf_counter=lambda: self.now_s,
            monotonic=lambda: self.now_s,
            process_time=lambda: 2 * self.now_s,
        )
        monkeypatch.setattr(probe, "time", time)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class SlowModel(PoseModel):
    """Takes a quarter of a second a batch, and notes what it was given."""

    body_parts = ("a", "b")
    runtime = "none"

    def __init__(self, clock: Clock | None = None, most_images: int = 1000) -> None:
        self._clock, self._most_images = clock, most_images
        self.num_images: list[int] = []
        self.images = np.empty(0, np.uint8)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        if len(images) > self._most_images:
            raise MemoryError("too many")
        self.num_images.append(len(images))
        self.images = images
        if self._clock is not None:
            self._clock.now_s += 0.25
        return np.zeros((len(images), 2, 3))

    def close(self) -> None: ...


class AheadModel(SlowModel):
    """Works while others wait, and notes whether its poses were fetched."""

    num_pending = 0

    def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> PendingPoses:  # noqa: ARG002 -- a model
        self.num_pending += 1
        poses = self.predict(images)

        def result() -> NDArray[np.float64]:
            self.num_pending -= 1
            return poses

        return SimpleNamespace(is_ready=False, result=result)

    def images_ahead(self, image_shape: tuple[int, ...]) -> int:
        assert image_shape == SHAPE
        return 1000


# One batch size


def test_a_batch_warms_up_and_the_others_are_timed_until_the_time_is_over(clock: Clock) -> None:
    model = SlowModel(clock)

    measured = inference_cost(model, SHAPE, batch_size=3, measured_s=0.9)

    assert model.num_images == [3] * (1 + 4)
    assert measured == Cost(num_frames=12, wall_s=1.0, core_s=2.0)


def test_at_least_one_batch_is_timed(clock: Clock) -> None:
    assert inference_cost(SlowModel(clock), SHAPE, 3, measured_s=0.0) == Cost(3, 0.25, 0.5)


def test_the_model_is_given_noise_of_the_movies_size(clock: Clock) -> None:
    model = SlowModel(clock)

    inference_cost(model, SHAPE, batch_size=2, measured_s=0.0)

    assert model.images.shape == (2, *SHAPE)
    assert model.images.dtype == np.uint8
    assert len(np.unique(model.images)) == 256
    assert (model.images[0] != model.images[1]).any()


def test_poses_that_a_model_is_still_at_are_waited_for(clock: Clock) -> None:
    model = AheadModel(clock)

    measured = inference_cost(model, SHAPE, batch_size=2, measured_s=1.0)

    assert measured.num_frames == 8
    assert model.num_pending == 0


# Rising batch sizes


def made_up(
    monkeypatch: pytest.MonkeyPatch, speeds: Mapping[int, float], seconds: float = 1.0
) -> list[int]:
    """Let every batch size have a made-up speed, 0 for no memory; return the sizes as tried."""
    tried: list[int] = []

    def cost(_model: PoseModel, _shape: tuple[int, ...], size: int, _measured_s: float) -> Cost:
        tried.append(size)
        if not speeds[size]:
            raise MemoryError
        return Cost(round(speeds[size] * seconds), seconds, seconds)

    monkeypatch.setattr(probe, "inference_cost", cost)
    return tried


def sizes_measured(sizes: Iterable[int]) -> list[int]:
    return [size for size, _ in costs_by_batch_size(SlowModel(), SHAPE, sizes, 0.0)]


def test_every_size_is_measured_where_there_is_memory() -> None:
    model = SlowModel()

    costs = dict(costs_by_batch_size(model, SHAPE, (1, 3, 8), 0.0))

    assert {size: cost.num_frames for size, cost in costs.items()} == {1: 1, 3: 3, 8: 8}
    assert model.num_images == [1, 1, 3, 3, 8, 8]


def test_a_size_without_memory_ends_it_after_the_smaller_ones() -> None:
    costs = costs_by_batch_size(SlowModel(most_images=4), SHAPE, (2, 4, 8), 0.0)

    assert [next(costs)[0], next(costs)[0]] == [2, 4]
    with pytest.raises(MemoryError, match="too many"):
        next(costs)


@pytest.mark.parametrize(("available_mib", "measured"), [(119, [2, 4]), (120, [2, 4, 8])])
def test_a_size_that_would_need_more_memory_than_is_free_is_not_tried(
    monkeypatch: pytest.MonkeyPatch, available_mib: int, measured: list[int]
) -> None:
    """Sizes 2, 4 and 8 take 10, 60 and 1 MiB more: size 8 would have needed twice 60."""
    tried = made_up(monkeypatch, dict.fromkeys((2, 4, 8, 16), 100))
    peaks = iter([500, 510, 510, 570, 570, 571, 571, 571])
    monkeypatch.setattr(probe, "peak_mib", lambda: next(peaks))
    monkeypatch.setattr(probe, "available_mib", lambda: available_mib)

    if measured == [2, 4]:
        with pytest.raises(MemoryError, match="about 120 MiB more, 119 MiB are free"):
            sizes_measured((2, 4, 8))
    else:
        sizes_measured((2, 4, 8))

    assert tried == measured


# The probe


@pytest.mark.parametrize(
    ("speeds", "best"),
    [
        ({8: 100, 16: 109}, 8),
        ({8: 100, 16: 90}, 8),
        ({8: 100, 16: 111, 32: 120}, 16),
        ({8: 100, 16: 200, 32: 400, 64: 800}, 64),
        ({8: 100, 16: 200, 32: 0}, 16),
        ({8: 0}, 8),
    ],
    ids=["little", "slower", "one step", "all steps", "no memory", "no memory at all"],
)
def test_the_usual_size_is_doubled_as_long_as_that_clearly_pays(
    monkeypatch: pytest.MonkeyPatch, speeds: dict[int, float], best: int
) -> None:
    tried = made_up(monkeypatch, speeds)

    assert probe_batch_size(SlowModel(), SHAPE) == best
    assert tried == list(speeds)


def test_large_images_begin_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = made_up(monkeypatch, {1: 10, 2: 20, 4: 20})

    assert probe_batch_size(SlowModel(), LARGE) == 2
    assert tried == [1, 2, 4]


def test_a_slow_model_is_not_probed_for_long(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def slow(_model: PoseModel, _shape: tuple[int, ...], size: int, _measured_s: float) -> Cost:
        tried.append(size)
        clock.now_s += 2.0
        return Cost(size * size, 2.0, 2.0)

    monkeypatch.setattr(probe, "inference_cost", slow)

    assert probe_batch_size(SlowModel(), LARGE) == 4
    assert tried == [1, 2, 4]


# The best of what was measured

sizes = st.sampled_from([1, 2, 4, 8, 16])
speeds_by_size = st.dictionaries(
    sizes, st.sampled_from([50, 100, 105, 110, 111, 120]), min_size=1
).map(lambda speeds: {size: Cost(speed, 1.0, 1.0) for size, speed in speeds.items()})


@given(costs=speeds_by_size, usual=sizes)
def test_the_best_size_is_nearly_the_fastest_and_no_smaller_one_but_the_usual_is(
    costs: dict[int, Cost], usual: int
) -> None:
    best = best_batch_size(costs, usual)

    fastest = max(cost.frames_per_s for cost in costs.values())
    nearly = [size for size in costs if 1.1 * costs[size].frames_per_s >= fastest]
    assert best in nearly
    assert best == usual or (best == min(nearly) and usual not in nearly)


@given(costs=speeds_by_size, usual=sizes)
def test_the_best_size_does_not_depend_on_the_order(costs: dict[int, Cost], usual: int) -> None:
    backwards = dict(reversed(costs.items()))

    assert best_batch_size(costs, usual) == best_batch_size(backwards, usual)


# In a run


class CountingModel(NullModel):
    """Notes how many images it is given at a time."""

    def __init__(self, body_parts: tuple[str, ...]) -> None:
        super().__init__(body_parts)
        self.num_images: list[int] = []

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.num_images.append(len(images))
        return super().predict(images)


def batches_of_a_run(folder: Path) -> list[int]:
    """Run 7 frames with ``batch_size="auto"``; return how many the model is given at a time."""
    model = CountingModel(read_export(MODEL_DIR).body_parts)
    movie = small_movie(folder / "movie.avi", num_frames=7)
    run(Job([movie], folder / "out", batch_size="auto"), load=lambda *_: model)
    return model.num_images


def test_a_run_uses_the_size_that_the_probe_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "probe_batch_size", lambda *_: 3)

    assert batches_of_a_run(tmp_path) == [3, 3, 1]


def test_a_model_whose_poses_depend_on_the_batch_is_not_probed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "probe_batch_size", lambda *_: 3)
    export = replace(read_export(MODEL_DIR), depends_on_batch=True)
    monkeypatch.setattr(composition, "read_export", lambda _: export)

    assert batches_of_a_run(tmp_path) == [7]
