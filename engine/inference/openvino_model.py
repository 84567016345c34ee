"""The exported graph on OpenVINO: the fastest way on a CPU."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from engine.inference.export import ModelError, ModelExport
from engine.inference.model import Cancelled
from engine.inference.score_maps import poses_from_rows, poses_from_score_maps
from engine.inference.workload import images_at_a_time


class OpenVinoModel:
    """A DeepLabCut export on OpenVINO.

    Every image is a request of its own and as many requests run at a time as suit the machine,
    so that a pose can depend neither on the batch nor on its size. Precision stays float32:
    bfloat16, the default of recent processors, moves points by tens of pixels.
    """

    def __init__(self, export: ModelExport) -> None:
        self._export = export
        self._core = ov.Core()
        self._network = _read_network(self._core, export)
        self._shape: tuple[int, ...] | None = None
        self._queue: Any = None
        self._poses: list[NDArray[np.float64]] = []
        self._closed = threading.Event()

    @property
    def body_parts(self) -> tuple[str, ...]:
        """Names of the body parts, in the order of the poses."""
        return self._export.body_parts

    @property
    def runtime(self) -> str:
        """Name and version of the runtime."""
        return f"openvino {ov.__version__.split('-')[0]}"

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Estimate poses; see `PoseModel.predict`."""
        if images.shape[1:] != self._shape:
            self._compile(images.shape[1:])
        poses = self._poses = [np.empty((0, 3))] * len(images)
        try:
            for index in range(len(images)):
                if self._closed.is_set():
                    break
                self._queue.start_async({0: images[index : index + 1]}, index)
            self._queue.wait_all()
        except RuntimeError:
            if not self._closed.is_set():
                raise
        if self._closed.is_set():
            raise Cancelled
        return np.stack(poses)

    def close(self) -> None:
        """Let no further image start, and cancel the requests that are running."""
        self._closed.set()
        if self._queue is not None:
            for request in self._queue:
                request.cancel()

    def _compile(self, image_shape: tuple[int, ...]) -> None:
        self._network.reshape([1, *image_shape])
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "THROUGHPUT",
            # On many cores it would run as many images at a time, each with memory of its own. The
            # number goes by the image's size, not by the batch, on which no pose may depend.
            "PERFORMANCE_HINT_NUM_REQUESTS": str(images_at_a_time(image_shape)),
        }
        compiled = self._core.compile_model(self._network, "CPU", settings)
        self._queue = ov.AsyncInferQueue(compiled)
        self._queue.set_callback(self._collect)
        self._shape = image_shape

    def _collect(self, request: Any, index: int) -> None:
        if self._export.predicts_poses:
            self._poses[index] = poses_from_rows(request.get_output_tensor(0).data, 1)[0]
            return
        self._poses[index] = poses_from_score_maps(
            request.get_output_tensor(0).data,
            request.get_output_tensor(1).data,
            stride_px=self._export.stride_px,
            locref_stdev_px=self._export.locref_stdev_px,
        )[0]


def _read_network(core: Any, export: ModelExport) -> Any:
    """Read the graph with 8-bit images as input, so that nobody converts them beforehand."""
    try:
        network = core.read_model(str(export.graph_path))
    except RuntimeError as error:
        raise ModelError(
            export.graph_path, f"OpenVINO cannot read it ({_first_line(error)})"
        ) from error
    if not export.predicts_poses:
        outputs = {name: port for port in network.outputs for name in port.get_names()}
        network = ov.Model(
            [outputs["Sigmoid:0"], outputs["pose/locref_pred/block4/BiasAdd:0"]],
            network.get_parameters(),
        )
    steps = ov.preprocess.PrePostProcessor(network)
    steps.input().tensor().set_element_type(ov.Type.u8)
    return steps.build()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
