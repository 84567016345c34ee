"""The exported graph on TensorFlow, loaded by deeplabcut-live."""

from __future__ import annotations

import glob
import os
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.deeplabcut import DeepLabCutExport
from engine.inference.model import Cancelled, Loading, ModelError, PoseModel
from engine.inference.score_maps import poses_from_outputs
from engine.untrusted.quoting import path_as_text, reason


class TensorFlowModel(PoseModel):
    """A DeepLabCut export on TensorFlow, in whole batches unless poses depend on the batch.

    deeplabcut-live's runner loads the graph; its own ``get_pose`` takes one frame at a time, so
    its session is fed batches here.
    """

    def __init__(self, export: DeepLabCutExport, loading: Loading | None = None) -> None:  # noqa: ARG002 -- no choice here
        self._export = export
        self._runner = _load_runner(export)
        self.body_parts = export.body_parts
        self.runtime = f"tensorflow {sys.modules['tensorflow'].__version__}"
        self._closed = False
        self._running = threading.Lock()

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Estimate poses; see `PoseModel.predict`."""
        if not self._export.depends_on_batch:
            return self._predict_batch(images)
        singly = [self._predict_batch(images[index : index + 1]) for index in range(len(images))]
        return np.concatenate(singly)

    def _predict_batch(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        with self._running:
            if self._closed:
                raise Cancelled
            try:
                outputs = self._runner.sess.run(self._runner.outputs, {self._runner.inputs: images})
            except sys.modules["tensorflow"].errors.ResourceExhaustedError as error:
                raise MemoryError(f"no memory for a batch of {len(images)} images") from error
        if self._closed:
            self.close()
            raise Cancelled
        return poses_from_outputs(self._export, outputs, len(images))

    def close(self) -> None:
        """Close the session, or leave that to the running `predict`: a batch cannot be stopped."""
        self._closed = True
        if self._running.acquire(blocking=False):
            try:
                self._runner.close()
            finally:
                self._running.release()


def import_runtime() -> None:
    """Import TensorFlow and deeplabcut-live, without their notices."""
    # The package root of deeplabcut-live 1.1 imports its benchmark module, and that one torch,
    # which TensorFlow models do not need.
    benchmark = types.ModuleType("dlclive.benchmark")
    benchmark.__dict__.update(benchmark_videos=None, download_benchmarking_data=None)
    sys.modules.setdefault("dlclive.benchmark", benchmark)
    with _without_notices(), _without_requests():
        import dlclive.factory  # noqa: F401 -- and TensorFlow with it


def sees_gpu() -> bool:
    """Tell whether TensorFlow sees a GPU."""
    with _without_notices(), _without_requests():
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keep TensorFlow's start-up notices, which help no user, from standard error.

    Some are written before TensorFlow has read its settings, straight to the descriptor.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        standard_error = os.dup(2)
    except OSError:  # closed: there is nothing to keep clean
        yield
        return
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)


@contextmanager
def plainly_named(folder: Path) -> Iterator[Path]:
    """Give a folder under a name that dlclive and TensorFlow understand.

    The former looks for the graph by a pattern, in which brackets mean other things; the latter
    takes no name with bytes that are no text.
    """
    if path_as_text(folder) == str(folder):
        yield Path(glob.escape(str(folder)))
        return
    with TemporaryDirectory(prefix="posestream-model-") as place:
        link = Path(place) / "model"
        link.symlink_to(folder.absolute())
        yield link


@contextmanager
def _without_requests() -> Iterator[None]:
    """Give TensorFlow's import an empty `requests`.

    The real one opens a socket, to see whether the machine knows IPv6; what would use it is for
    servers of Google's and for Keras' training.
    """
    is_hidden = "requests" not in sys.modules
    if is_hidden:
        sys.modules["requests"] = types.ModuleType("requests")
    try:
        yield
    finally:
        if is_hidden:
            del sys.modules["requests"]


def _load_runner(export: DeepLabCutExport) -> Any:
    import_runtime()
    with _without_notices(), _without_requests():
        runner = sys.modules["dlclive.factory"].build_runner("base", export.directory)
    smallest = np.zeros((64, 64, 3), np.uint8)
    try:
        with _without_notices(), plainly_named(export.directory) as runner.path:
            runner.init_inference(smallest)
    except (ValueError, KeyError, IndexError, sys.modules["tensorflow"].errors.OpError) as error:
        raise ModelError(
            export.graph_path, f"TensorFlow cannot run it ({reason(error)})"
        ) from error
    return runner
