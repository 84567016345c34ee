"""Both runtimes give one export's poses, whatever the batch, and stop when they are told to."""

import ctypes
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.synthetic import BODY_PARTS, MouseMovie
from engine.builtin import MODEL_DIR
from engine.inference import Cancelled, ModelError, PoseModel, load_model, read_export
from engine.inference.deeplabcut import read
from engine.inference.load import FORMATS
from engine.inference.openvino import OpenVinoModel
from engine.inference.tensorflow import TensorFlowModel
from engine.machine.system import OutOfMemoryError
from tests.engine.inference.test_score_maps import poses_one_by_one
from tests.exports import export_folder, graph_of, names, pose_graph, score_map_graph

RUNTIMES = ("openvino", "tensorflow")
NUM_IMAGES = 7


@pytest.fixture(scope="module")
def models() -> dict[str, PoseModel]:
    return {runtime: load_model(read_export(MODEL_DIR), runtime) for runtime in RUNTIMES}


@pytest.fixture(scope="module")
def movie() -> MouseMovie:
    return MouseMovie(seed=5, width=320, height=240, num_frames=NUM_IMAGES)


@pytest.fixture(scope="module")
def images(movie: MouseMovie) -> NDArray[np.uint8]:
    return np.stack(list(movie.images()))


def assert_same(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(ours[..., :2], theirs[..., :2], rtol=0, atol=0.01)
    np.testing.assert_allclose(ours[..., 2], theirs[..., 2], rtol=0, atol=1e-4)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_built_in_model_finds_the_mouse(
    models: dict[str, PoseModel], movie: MouseMovie, images: NDArray[np.uint8], runtime: str
) -> None:
    poses = models[runtime].predict(images)

    assert poses.shape == (NUM_IMAGES, len(BODY_PARTS), 3)
    assert poses.dtype == np.float64
    truth = np.stack([movie.key_points(index) for index in range(NUM_IMAGES)])
    assert np.median(np.hypot(*np.moveaxis(poses[..., :2] - truth, -1, 0))) < 5


def test_both_runtimes_give_the_same_poses(
    models: dict[str, PoseModel], images: NDArray[np.uint8]
) -> None:
    assert_same(models["openvino"].predict(images), models["tensorflow"].predict(images))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_poses_do_not_depend_on_the_batch(
    models: dict[str, PoseModel], images: NDArray[np.uint8], batch_size: int, runtime: str
) -> None:
    model = models[runtime]
    parts = [
        model.predict(images[first : first + batch_size])
        for first in range(0, NUM_IMAGES, batch_size)
    ]
    assert_same(np.concatenate(parts), model.predict(images))


def test_a_prompt_model_gives_the_same_poses_bit_for_bit(
    models: dict[str, PoseModel], images: NDArray[np.uint8]
) -> None:
    prompt = load_model(read_export(MODEL_DIR), "openvino", is_prompt=True)

    poses = [prompt.predict(images[index : index + 1]) for index in range(NUM_IMAGES)]

    np.testing.assert_array_equal(np.concatenate(poses), models["openvino"].predict(images))


def test_a_graph_that_is_folded_beforehand_gives_the_same_poses_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch, images: NDArray[np.uint8]
) -> None:
    folded = OpenVinoModel(read(MODEL_DIR)).predict(images)

    # `None` there makes an import fail, as with a version of OpenVINO that cannot fold.
    monkeypatch.setitem(sys.modules, "openvino._offline_transformations", None)
    np.testing.assert_array_equal(OpenVinoModel(read(MODEL_DIR)).predict(images), folded)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_images_may_change_their_size(
    models: dict[str, PoseModel], images: NDArray[np.uint8], runtime: str
) -> None:
    before = models[runtime].predict(images)
    assert models[runtime].predict(images[:2, :101, :67]).shape == (2, 8, 3)
    np.testing.assert_array_equal(models[runtime].predict(images), before)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_model_tells_its_body_parts_and_runtime(
    models: dict[str, PoseModel], runtime: str
) -> None:
    assert models[runtime].body_parts == tuple(BODY_PARTS)
    assert models[runtime].runtime.startswith(f"{runtime} 2")


@pytest.mark.often(1)
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("num_body_parts", [1, 3])
def test_score_maps_become_the_poses_of_deeplabcuts_formula(
    tmp_path: Path, num_body_parts: int, runtime: str
) -> None:
    import tensorflow as tf

    graph = score_map_graph(num_body_parts)
    export = read_export(
        export_folder(tmp_path / "m", graph, all_joints_names=names(num_body_parts))
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 64, 3), np.uint8)
    with tf.Graph().as_default():
        tensors = ["Sigmoid:0", "pose/locref_pred/block4/BiasAdd:0"]
        definition = tf.compat.v1.GraphDef.FromString(graph)
        outputs = tf.import_graph_def(definition, return_elements=tensors, name="")
        with tf.compat.v1.Session() as session:
            maps = session.run(outputs, {"Placeholder:0": images})

    model = load_model(export, runtime)

    assert export.details["flavour"] == "score maps"
    assert_same(model.predict(images), poses_one_by_one(*maps))


@pytest.mark.often(3)
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("flavour", [pose_graph, score_map_graph])
@pytest.mark.parametrize(("in_graph", "in_settings"), [(1, 3), (4, 3), (3, 1)])
def test_settings_of_another_project_are_refused(
    tmp_path: Path,
    in_graph: int,
    in_settings: int,
    flavour: Callable[[int], bytes],
    runtime: str,
) -> None:
    folder = export_folder(tmp_path / "m", flavour(in_graph), all_joints_names=names(in_settings))
    with pytest.raises(
        ModelError, match=f"names {in_settings} body parts, the graph has {in_graph}"
    ):
        load_model(read_export(folder), runtime)


def test_a_graph_that_cannot_run_is_refused_before_a_runtime_sees_it(tmp_path: Path) -> None:
    graph = graph_of([("Placeholder", "Placeholder"), ("concat_1", "NoSuchOperation")])
    with pytest.raises(ModelError, match=r"snapshot-10\.pb: .*'NoSuchOperation' cannot be run"):
        read_export(export_folder(tmp_path / "m", graph))


def fails_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let each model raise when it is loaded, in this process alone."""

    def load(*_: object) -> PoseModel:
        raise error

    rows = [replace(row, load=lambda _: load) for row in FORMATS]
    monkeypatch.setattr("engine.inference.load.FORMATS", rows)


@pytest.mark.parametrize(
    "error",
    [ValueError("a\nb"), RuntimeError("x" * 10**6), KeyError("Sigmoid:0"), TypeError(), OSError()],
    ids=["two lines", "long", "key", "without words", "system"],
)
def test_whatever_a_runtime_raises_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fails_with(monkeypatch, error)

    with pytest.raises(
        ModelError, match=r"\.pb: does not run as a DeepLabCut model \(.+\)$"
    ) as raised:
        load_model(read_export(MODEL_DIR))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc")])
def test_a_lack_of_memory_for_the_model_does_not_blame_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fails_with(monkeypatch, error)

    with pytest.raises(OutOfMemoryError, match=r"out of memory: .*close other programs"):
        load_model(read_export(MODEL_DIR))


def test_a_library_that_is_missing_is_no_fault_of_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(_: str) -> NoReturn:
        raise ImportError("no openvino")

    rows = [replace(row, load=load) for row in FORMATS]
    monkeypatch.setattr("engine.inference.load.FORMATS", rows)
    with pytest.raises(ImportError, match="no openvino"):
        load_model(read_export(MODEL_DIR), "openvino")


@pytest.mark.often(1)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_folder_may_have_any_name(tmp_path: Path, runtime: str) -> None:
    folder = export_folder(tmp_path / "été [old] *?", pose_graph(2), all_joints_names=names(2))
    model = load_model(read_export(folder), runtime)
    assert model.predict(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 2, 3)


def graph_with_indices_from_the_picture() -> bytes:
    """Build a graph whose two rows are cells at the places that the picture's mean names."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="Placeholder")
        cells = tf.reshape(image / 255, [-1, 3])
        places = tf.cast(tf.reduce_mean(image, [1, 2]), tf.int32) * 20 + tf.constant(
            [-4000, 4000, 0]
        )
        rows = tf.gather_nd(cells, tf.reshape(places, [3, 1])[:2])
        tf.concat([rows[:, :2], rows[:, 2:]], 1, name="concat_1")
    return bytes(graph.as_graph_def().SerializeToString())


def test_indices_that_depend_on_the_picture_stay_within_it_on_openvino(tmp_path: Path) -> None:
    graph = graph_with_indices_from_the_picture()
    model = OpenVinoModel(read(export_folder(tmp_path / "m", graph)))

    poses = model.predict(np.full((1, 64, 64, 3), 51, np.uint8))

    np.testing.assert_allclose(poses, 0.2, rtol=1e-6)


def test_frame_by_frame_no_pose_depends_on_other_frames(
    models: dict[str, PoseModel], images: NDArray[np.uint8]
) -> None:
    """The built-in model gives last bits that depend on the batch, unless it goes by frames."""
    export = replace(read_export(MODEL_DIR), depends_on_batch=True)
    model = load_model(export, "tensorflow")

    together = model.predict(images)

    singly = [models["tensorflow"].predict(image[np.newaxis]) for image in images]
    np.testing.assert_array_equal(together, np.concatenate(singly))


class Watched(np.ndarray[Any, Any]):
    """Images that count how many of them were taken, and tell about the third."""

    third: threading.Event
    taken = 0

    def __getitem__(self, key: Any) -> Any:
        self.taken += 1
        if self.taken == 3:
            self.third.set()
        return np.asarray(self)[key]


def test_close_stops_openvino_between_images() -> None:
    model = OpenVinoModel(read(MODEL_DIR))
    images = np.zeros((2000, 256, 256, 3), np.uint8).view(Watched)
    images.third = threading.Event()

    with ThreadPoolExecutor() as pool:
        running = pool.submit(model.predict, images)
        assert images.third.wait(30)
        model.close()
        with pytest.raises(Cancelled):
            running.result(30)
    assert images.taken < len(images)


def test_a_model_that_nobody_holds_is_freed() -> None:
    model = OpenVinoModel(read(MODEL_DIR))
    model.predict(np.zeros((2, 64, 64, 3), np.uint8))
    held = weakref.ref(model)
    model.close()
    del model
    gc.collect()
    assert held() is None


class Announced:
    """Images that tell when TensorFlow takes them."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images
        self.taken = threading.Event()

    def __len__(self) -> int:
        return len(self.images)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        self.taken.set()
        return self.images.astype(dtype)


@pytest.mark.slow
def test_close_does_not_wait_for_tensorflows_batch() -> None:
    model = TensorFlowModel(read(MODEL_DIR))
    images = Announced(np.zeros((100, 256, 256, 3), np.uint8))

    with ThreadPoolExecutor() as pool:
        running = pool.submit(model.predict, images)  # type: ignore[arg-type]  # array-like
        assert images.taken.wait(30)
        model.close()
        assert not running.done()
        with pytest.raises(Cancelled):
            running.result(30)


@pytest.mark.parametrize("kind", [OpenVinoModel, TensorFlowModel])
def test_a_closed_model_predicts_nothing(kind: Callable[..., PoseModel]) -> None:
    model = kind(read(MODEL_DIR))
    model.close()
    model.close()
    with pytest.raises(Cancelled):
        model.predict(np.zeros((1, 64, 64, 3), np.uint8))


@pytest.mark.skipif(sys.platform != "linux", reason="no stack of its own for signals elsewhere")
def test_an_interrupt_after_the_end_of_a_model_finds_the_stack_of_its_thread() -> None:
    """OpenVINO's plugin gives the thread that loads it a stack for signals, and takes it back."""

    class SignalStack(ctypes.Structure):
        _fields_ = (
            ("pointer", ctypes.c_void_p),
            ("flags", ctypes.c_int),
            ("size", ctypes.c_size_t),
        )

    before, after = SignalStack(), SignalStack()
    system = ctypes.CDLL(None)
    assert system.sigaltstack(None, ctypes.byref(before)) == 0
    first, second = (load_model(read_export(MODEL_DIR), "openvino") for _ in range(2))
    for model in (first, second):
        model.predict(np.zeros((1, 64, 64, 3), np.uint8))
    for model in (first, second):
        model.close()
    assert system.sigaltstack(None, ctypes.byref(after)) == 0
    assert (after.pointer, after.flags) == (before.pointer, before.flags)
