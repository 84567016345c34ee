"""A model is measured at rising batch sizes until one is too much."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from engine.bench import costs as inference
from engine.bench.costs import InferenceCost, measure_inference
from engine.builtin import MODEL_DIR
from engine.inference import ModelExport
from engine.pipeline.batch_size import Cost

SHAPE = (64, 64, 3)


def measured(sizes: tuple[int, ...]) -> tuple[list[InferenceCost], str]:
    told: list[InferenceCost] = []
    note = measure_inference(told.append, MODEL_DIR, "openvino", SHAPE, sizes, 0.0)
    return told, note


def make_up(monkeypatch: pytest.MonkeyPatch, costs: Mapping[int, Cost | MemoryError]) -> list[int]:
    """Let every batch size have a made-up cost; return the sizes as tried."""
    tried: list[int] = []

    def by_batch_size(
        _model: None, _shape: tuple[int, ...], sizes: Iterable[int], _measured_s: float
    ) -> Iterator[tuple[int, Cost]]:
        for size in sizes:
            tried.append(size)
            cost = costs[size]
            if isinstance(cost, MemoryError):
                raise cost
            yield size, cost

    monkeypatch.setattr(inference, "load_model", lambda *_, **__: None)
    monkeypatch.setattr(inference, "costs_by_batch_size", by_batch_size)
    monkeypatch.setattr(inference, "peak_mib", lambda: 100.0 + len(tried))
    return tried


def test_the_built_in_model_is_measured_at_every_size() -> None:
    told, note = measured((1, 2))

    assert note == ""
    assert [(cost.runtime, cost.batch_size) for cost in told] == [("openvino", 1), ("openvino", 2)]
    assert [cost.cost.num_frames for cost in told] == [1, 2]
    assert all(cost.cost.core_s > 0 and cost.peak_mib > 0 for cost in told)


def test_the_export_and_the_runtime_are_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[Path, str]] = []

    def load(export: ModelExport, runtime: str, **options: object) -> None:
        loaded.append((export.directory, runtime))
        assert options == {"image_shapes": [SHAPE]}

    make_up(monkeypatch, {})
    monkeypatch.setattr(inference, "load_model", load)

    assert measured(()) == ([], "")
    assert loaded == [(MODEL_DIR, "openvino")]


def test_a_cost_is_told_with_the_memory_that_was_needed_so_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs: dict[int, Cost | MemoryError] = {1: Cost(10, 1.0, 2.0), 4: Cost(40, 1.0, 2.0)}
    make_up(monkeypatch, costs)

    assert measured((1, 4)) == (
        [
            InferenceCost("openvino", 1, Cost(10, 1.0, 2.0), 101.0),
            InferenceCost("openvino", 4, Cost(40, 1.0, 2.0), 102.0),
        ],
        "",
    )


def test_a_size_without_memory_becomes_a_note_and_no_larger_one_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs: dict[int, Cost | MemoryError] = {
        1: Cost(10, 1.0, 2.0),
        2: MemoryError("no memory for a batch of 2 images"),
    }
    tried = make_up(monkeypatch, costs)

    told, note = measured((1, 2, 4))

    assert [cost.batch_size for cost in told] == [1]
    assert tried == [1, 2]
    assert note == (
        "openvino: the next larger batch does not fit in memory (no memory for a batch of 2 images)"
    )


def test_a_model_so_slow_that_a_larger_batch_takes_long_is_not_tried_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 2 frames/s a batch of 8 takes 4 s, and one of 16 would take 8 s."""
    tried = make_up(monkeypatch, dict.fromkeys((4, 8, 16, 32), Cost(8, 4.0, 8.0)))

    _, note = measured((4, 8, 16, 32))

    assert tried == [4, 8]
    assert note == "openvino: a batch of more than 8 would take over 8 s"


def test_of_the_last_size_no_larger_one_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    make_up(monkeypatch, {8: Cost(8, 4.0, 8.0)})

    assert measured((8,))[1] == ""
