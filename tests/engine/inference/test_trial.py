"""A model is tried in a process of its own: one line on any failure, and no trial twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.builtin import MODEL_DIR
from engine.inference import ModelError, load_model, read_export
from engine.inference import trial as trials_module
from engine.inference.trial import Trial
from engine.machine.system import OutOfMemoryError
from tests.engine.inference.trials import (
    SHAPE,
    Aborts,
    GivesNoPoses,
    Hangs,
    HasOnePartMore,
    PointsFarAway,
    RaisesTwoLines,
    Steady,
    TakesMemory,
    export,
    trial,
)
from tests.exports import export_folder, names


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache that knows nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "posestream" / "tried-models"


@pytest.fixture
def no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a trial fail the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("a model is tried")

    monkeypatch.setattr(trials_module, "Child", refuse)


def problem(tried: Trial, shape: tuple[int, ...] = SHAPE) -> str:
    with pytest.raises(ModelError) as raised:
        tried.check(shape)
    message = str(raised.value)
    assert message.isprintable()
    assert len(message) < 500
    return message


@pytest.mark.often(2)
@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (
            Aborts,
            r".pb: ends its process (the process was stopped (exit code -6)), given 2 of 64 x",
        ),
        (TakesMemory, "MiB of memory, given 2 of 64 x 48 pixels at a time"),
        (RaisesTwoLines, ".pb: does not run as a DeepLabCut model (a bxxx"),
        (HasOnePartMore, "the export names 8 body parts, the graph has 9: they are not of one"),
        (GivesNoPoses, ".pb: does not run as a DeepLabCut model (gives poses of the shape (48,)"),
        (PointsFarAway, ".pb: of a black picture, the model places 'tail_tip' at x 3.2e+07"),
    ],
)
def test_any_failure_is_one_line(kind: type[Steady], rule: str, cache: Path) -> None:
    assert rule in problem(trial(kind))
    assert not cache.exists()


def test_a_model_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials_module, "_LEAST_S", 0.0)  # a second is left for its size
    assert "takes more than 1 s, given 2 of 64 x 48 pixels" in problem(trial(Hangs))


def test_where_memory_is_short_the_model_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials_module, "available_mib", lambda: 300.0)
    with pytest.raises(OutOfMemoryError, match=r"^out of memory: .* 2 of 64 x 48"):
        trial(TakesMemory).check(SHAPE)


def test_a_model_that_has_passed_is_not_tried_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial(Steady).check(SHAPE)

    assert [len(path.read_bytes()) for path in cache.iterdir()] == [64]
    with monkeypatch.context() as patch:
        patch.setattr(trials_module, "Child", None)
        trial(Steady).check(SHAPE)
        moved = replace(export(), directory=Path("/elsewhere"))
        trial(Steady, moved).check(SHAPE)


def crash(tried: Trial, shape: tuple[int, ...] = SHAPE) -> None:
    assert "ends its process" in problem(tried, shape)


@pytest.mark.slow
def test_another_size_file_or_version_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    trial(Steady).check(SHAPE)

    crash(trial(Aborts), (48, 65, 3))
    crash(trial(Aborts, export("2" * 64)))
    crash(trial(Aborts, replace(export(), body_parts=("a",))))
    monkeypatch.setattr(trials_module, "version", lambda name: f"another {name}")
    crash(trial(Aborts))


@pytest.mark.often(1)
@pytest.mark.parametrize("damage", [b"", b"0" * 64, b"x" * 10**6])
def test_a_damaged_cache_is_no_answer(cache: Path, damage: bytes) -> None:
    trial(Steady).check(SHAPE)
    (entry,) = cache.iterdir()
    entry.write_bytes(damage)

    crash(trial(Aborts))
    trial(Steady).check(SHAPE)
    assert entry.read_text() == entry.name


def test_a_cache_that_cannot_be_written_is_no_error(cache: Path) -> None:
    cache.parent.parent.mkdir()
    cache.parent.write_text("a file where the folder should be")

    trial(Steady).check(SHAPE)
    crash(trial(Aborts))


def test_windows_within_a_size_that_has_passed_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    followed = trial(Steady, num_sizes=4)
    followed.check(SHAPE)
    whole = trial(Steady)
    whole.check(SHAPE)

    monkeypatch.setattr(trials_module, "Child", lambda *_: 1 / 0)
    followed.check((32, 64, 3))
    with pytest.raises(ZeroDivisionError):
        followed.check((32, 65, 3))
    with pytest.raises(ZeroDivisionError):
        whole.check((32, 64, 3))


@pytest.mark.often(1)
@pytest.mark.usefixtures("no_trial")
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_the_built_in_model_is_known_to_be_good(runtime: str, cache: Path) -> None:
    model = load_model(read_export(MODEL_DIR), runtime, image_shapes=[SHAPE])

    assert model.predict(np.zeros((1, *SHAPE), np.uint8)).shape == (1, 8, 3)
    assert not cache.exists()


def graph_of(build: Callable[[Any, Any], Any]) -> bytes:
    """Build a graph of the pose flavour that does something else before."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], "Placeholder")
        row = tf.reduce_mean(image, [1, 2]) + 0 * tf.reduce_sum(build(tf, image))
        tf.concat([row[:, :2], row[:, 2:]], 1, name="concat_1")
    return bytes(graph.as_graph_def().SerializeToString())


def doubling(tf: Any, image: Any) -> Any:
    for _ in range(40):
        image = tf.concat([image, image], 1)
    return image


def huge_tile(tf: Any, image: Any) -> Any:
    return tf.tile(image, [1, 30_000, 30_000, 1])


def huge_range(tf: Any, image: Any) -> Any:  # noqa: ARG001 -- of the kind of the others
    return tf.cast(tf.range(0, 2**31 - 1, tf.identity(1)), tf.float32)


def every_pair(tf: Any, image: Any) -> Any:
    flat = tf.reshape(tf.tile(image, [1, 8, 1, 1]), [1, -1])
    return tf.transpose(flat) * flat


@pytest.mark.often(2)
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
@pytest.mark.parametrize("build", [doubling, huge_tile, huge_range, every_pair])
def test_bombs(build: Callable[[Any, Any], Any], runtime: str, tmp_path: Path) -> None:
    folder = export_folder(tmp_path / "m", graph_of(build), all_joints_names=names(1))

    with pytest.raises(ModelError) as raised:
        load_model(read_export(folder), runtime, image_shapes=[SHAPE])

    assert str(raised.value).startswith(str(folder))
    assert str(raised.value).isprintable()


def rows_times_columns(tf: Any, image: Any) -> Any:
    shape = tf.shape(image)
    return tf.fill([shape[1] * shape[2], 4 * shape[1]], 1.0)


def none_of_one_row(tf: Any, image: Any) -> Any:
    return tf.reshape(image, [-1, 3 * 64 * 64])


@pytest.mark.often(1)
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
@pytest.mark.parametrize(
    ("build", "shape"), [(rows_times_columns, (1024, 1280, 3)), (none_of_one_row, (63, 64, 3))]
)
def test_what_fits_one_size_of_pictures_need_not_fit_another(
    build: Callable[[Any, Any], Any], shape: tuple[int, ...], runtime: str, tmp_path: Path
) -> None:
    folder = export_folder(tmp_path / "m", graph_of(build), all_joints_names=names(1))
    model = load_model(read_export(folder), runtime, image_shapes=[(64, 64, 3)])

    with pytest.raises(ModelError, match=r"\.pb: "):
        model.predict(np.zeros((1, *shape), np.uint8))
