"""The exported graph on OpenVINO: the fastest way on a CPU."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from engine.inference.export import ModelError, ModelExport
from engine.inference.heads import merge_heads
from engine.inference.model import Cancelled, PoseModel
from engine.inference.score_maps import poses_from_rows, poses_from_score_maps
from engine.inference.workload import images_at_a_time

_POLL_S = 0.1
"""How often waiting looks whether there is still something to wait for."""


class OpenVinoModel(PoseModel):
    """A DeepLabCut export on OpenVINO.

    Every image is a request of its own and as many requests run at a time as suit the machine,
    so that a pose can depend neither on the batch nor on its size. Precision stays float32:
    bfloat16, the default of recent processors, moves points by tens of pixels.

    Parameters
    ----------
    export
        The model.
    is_prompt
        Let all cores work on one image at a time: on two of them each is done in two thirds of
        the time, and a third fewer are done in a second. Poses are the same.
    num_sizes
        How many sizes of images the network stays compiled for; each holds the weights once more.
    """

    def __init__(self, export: ModelExport, *, is_prompt: bool = False, num_sizes: int = 1) -> None:
        self._export = export
        self._num_sizes = num_sizes
        self._is_prompt = is_prompt
        self._core = ov.Core()
        self._network = _read_network(self._core, export)
        self._queues: OrderedDict[tuple[int, ...], Any] = OrderedDict()
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
        return self.start(images).result()

    def start(self, images: NDArray[np.uint8]) -> _Requests:
        """Begin with images; returns when the last of them has been begun."""
        queue = self._queue(images.shape[1:])
        requests = _Requests(len(images), self.check)
        try:
            for index in range(len(images)):
                if self._closed.is_set():
                    break
                # OpenVINO copies the image (0.05 ms at 640 x 480): a request that is cancelled may
                # go on for a while, when nobody keeps the caller's images any more.
                queue.start_async({0: images[index : index + 1]}, (requests, index))
        except RuntimeError:
            if not self._closed.is_set():
                raise
        if self._closed.is_set():
            raise Cancelled
        return requests

    def images_ahead(self, image_shape: tuple[int, ...]) -> int:
        """As many as run at a time, so that a core finds the next one when it has done its own."""
        return 1 if self._is_prompt else images_at_a_time(image_shape)

    def check(self) -> None:
        """Raise what ended a request before its time.

        Raises
        ------
        Cancelled
            If the model was closed.
        RuntimeError
            If a request failed.
        """
        if self._closed.is_set():
            raise Cancelled
        for queue in list(self._queues.values()):
            for request in queue:
                request.wait_for(0)

    def close(self) -> None:
        """Let no further image start, and cancel the requests that are running."""
        self._closed.set()
        for queue in list(self._queues.values()):
            for request in queue:
                request.cancel()

    def _queue(self, image_shape: tuple[int, ...]) -> Any:
        """Give what runs images of a shape, compiled now unless it was used lately."""
        if image_shape in self._queues:
            self._queues.move_to_end(image_shape)
        else:
            while len(self._queues) >= self._num_sizes:
                self._queues.popitem(last=False)
            self._queues[image_shape] = self._compile(image_shape)
        return self._queues[image_shape]

    def _compile(self, image_shape: tuple[int, ...]) -> Any:
        network = self._network.clone()
        network.reshape([1, *image_shape])
        merge_heads(network)
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY" if self._is_prompt else "THROUGHPUT",
            # On many cores it would run as many images at a time, each with memory of its own. The
            # number goes by the image's size, not by the batch, on which no pose may depend.
            "PERFORMANCE_HINT_NUM_REQUESTS": str(self.images_ahead(image_shape)),
        }
        compiled = self._core.compile_model(network, "CPU", settings)
        # One more than run at a time: it waits with its image and begins at once, where Python,
        # asked for the next one, may first have to wait for its lock (2 % of two cores' time).
        # Each takes memory of its own, 10 MiB for a MobileNet at 640 x 480.
        num_running = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        queue = ov.AsyncInferQueue(compiled, num_running + 1)
        queue.set_callback(partial(_collect, _Poses(self._export)))
        return queue


class _Poses:
    """Turns the outputs of a graph into the poses of one image."""

    def __init__(self, export: ModelExport) -> None:
        self._export = export

    def __call__(self, *outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        if self._export.predicts_poses:
            return poses_from_rows(outputs[0], 1)
        return poses_from_score_maps(
            *outputs,
            stride_px=self._export.stride_px,
            locref_stdev_px=self._export.locref_stdev_px,
        )


def _collect(poses_of: _Poses, request: Any, place: tuple[_Requests, int]) -> None:
    # Nothing here may lead to the model: the queue keeps it, and Python's garbage collector does
    # not see into queues. A model that held one that held the model would never be freed.
    requests, index = place
    outputs = [tensor.data for tensor in request.output_tensors]
    try:
        requests.collect(index, poses_of(*outputs)[0])
    except ValueError as error:  # outputs of other shapes than a DeepLabCut model's
        requests.fail(error)


class _Requests:
    """The requests of one batch of images, and the poses that have come of them."""

    def __init__(self, num_images: int, check: Callable[[], None]) -> None:
        self._poses: list[NDArray[np.float64]] = [np.empty((0, 3))] * num_images
        self._num_missing = num_images
        self._check = weakref.WeakMethod(check)
        self._error: Exception | None = None
        self._changed = threading.Condition()

    def collect(self, index: int, poses: NDArray[np.float64]) -> None:
        """Take the poses of an image, from whichever thread."""
        with self._changed:
            self._poses[index] = poses
            self._num_missing -= 1
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Give the batch up."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    @property
    def is_ready(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self._num_missing == 0 or self._error is not None

    def result(self) -> NDArray[np.float64]:
        """Wait for the poses; see `PoseModel.predict`."""
        with self._changed:
            while not self._changed.wait_for(lambda: self.is_ready, _POLL_S):
                check = self._check()
                if check is None:
                    raise Cancelled
                check()  # a request that fails or is cancelled does not call back
        if self._error is not None:
            raise self._error
        return np.stack(self._poses)


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
