"""The exported graph on TensorFlow, loaded by deeplabcut-live."""

from __future__ import annotations

import os
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.deeplabcut import DeepLabCutExport
from engine.inference.model import Cancelled, Loading, ModelError, PoseModel
from engine.untrusted.quoting import reason


class TensorFlowModel(PoseModel):
    """A DeepLabCut export on TensorFlow, in whole batches unless poses depend on the batch.

    deeplabcut-live prepares the graph; its own ``get_pose`` takes one frame at a time, so its
    session is fed batches here.
    """

    def __init__(self, export: DeepLabCutExport, loading: Loading | None = None) -> None:  # noqa: ARG002 -- no choice here
        import_runtime()
        from dlclive.pose_estimation_tensorflow.graph import extract_graph, finalize_graph

        tf = sys.modules["tensorflow"]
        self._export = export
        self.body_parts = export.body_parts
        self.runtime = f"tensorflow {tf.__version__}"
        self._closed = False
        self._running = threading.Lock()
        graph = tf.compat.v1.GraphDef.FromString(export.graph_path.read_bytes())
        try:
            with _quiet():
                self._session, self._input, self._outputs = extract_graph(finalize_graph(graph))
                self._session.run(self._outputs, {self._input: np.zeros((1, 64, 64, 3), np.uint8)})
        except (ValueError, KeyError, IndexError, tf.errors.OpError) as error:
            raise ModelError(
                export.graph_path, f"TensorFlow cannot run it ({reason(error)})"
            ) from error

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
                outputs = self._session.run(self._outputs, {self._input: images})
            except sys.modules["tensorflow"].errors.ResourceExhaustedError as error:
                raise MemoryError(f"no memory for a batch of {len(images)} images") from error
        if self._closed:
            self.close()
            raise Cancelled
        return self._export.poses(outputs, len(images))

    def close(self) -> None:
        """Close the session, or leave that to the running `predict`: a batch cannot be stopped."""
        self._closed = True
        if self._running.acquire(blocking=False):
            try:
                self._session.close()
            finally:
                self._running.release()


def import_runtime() -> None:
    """Import TensorFlow and deeplabcut-live, without their notices."""
    # The package root of deeplabcut-live 1.1 imports its benchmark module, and that one torch,
    # which TensorFlow models do not need.
    benchmark = types.ModuleType("dlclive.benchmark")
    benchmark.__dict__.update(benchmark_videos=None, download_benchmarking_data=None)
    sys.modules.setdefault("dlclive.benchmark", benchmark)
    with _quiet():
        import dlclive.pose_estimation_tensorflow.graph  # noqa: F401 -- and TensorFlow with it


def sees_gpu() -> bool:
    """Tell whether TensorFlow sees a GPU."""
    with _quiet():
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep start-up notices off standard error, and give TensorFlow an empty `requests`.

    The notices help no user. Some are written before TensorFlow has read its settings, straight to
    the descriptor. The real `requests` opens a socket, to see whether the machine knows IPv6; what
    would use it is for servers of Google's and for Keras' training.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with ExitStack() as afterwards:
        if "requests" not in sys.modules:
            sys.modules["requests"] = types.ModuleType("requests")
            afterwards.callback(sys.modules.pop, "requests")
        with suppress(OSError):  # standard error is closed: there is nothing to keep clean
            standard_error = os.dup(2)
            afterwards.callback(os.close, standard_error)
            afterwards.callback(os.dup2, standard_error, 2)
            nowhere: Any = afterwards.enter_context(open(os.devnull, "wb"))  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
