"""The exported graph on OpenVINO: the fastest way on a CPU."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from functools import partial
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from engine.inference.deeplabcut import DeepLabCutExport
from engine.inference.export import ModelError
from engine.inference.model import Cancelled, CutSides, Loading, PoseModel
from engine.inference.openvino.continuation import continue_beyond_edges
from engine.inference.openvino.heads import merge_heads
from engine.inference.openvino.indices import limit_indices
from engine.inference.score_maps import poses_from_rows, poses_from_score_maps
from engine.inference.workload import images_at_a_time
from engine.machine.priority import patiently

_ALONE = Loading("openvino")


class OpenVinoModel(PoseModel):
    """A DeepLabCut export on OpenVINO.

    Every image is a request of its own and as many requests run at a time as suit the machine,
    so that a pose can depend neither on the batch nor on its size. Precision stays float32:
    bfloat16, the default of recent processors, moves points by tens of pixels.

    Parameters
    ----------
    export
        The model.
    loading
        How it is loaded. A prompt model lets all cores work on one image at a time: on two of them
        each is done in two thirds of the time, and a third fewer are done in a second. Each size
        that it is ready for holds the weights once more.
    """

    def __init__(self, export: DeepLabCutExport, loading: Loading = _ALONE) -> None:
        self.body_parts = export.body_parts
        self.runtime = f"openvino {ov.__version__.split('-')[0]}"
        self._export, self._loading = export, loading
        # Where images are small, the encoder does not keep up unless it goes first, and two cores
        # stood still for a seventh of the time. With whole frames there is always work for both.
        self._gives_way = loading.num_sizes > 1
        self._core = ov.Core()
        self._network = _read_network(self._core, export)
        self._requests: OrderedDict[tuple[tuple[int, ...], bool], _Requests] = OrderedDict()
        self._closed = threading.Event()

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Estimate poses; see `PoseModel.predict`."""
        return self.start(images).result()

    def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> _BegunImages:
        """Begin with images; returns when the last of them has been begun."""
        if not self._loading.continues_windows:
            cut = None
        requests = self._requests_for(images.shape[1:], cut is not None)
        inputs = [] if cut is None else [np.array(astuple(cut), np.float32)]
        begun = _BegunImages(self._closed)
        for index in range(len(images)):
            begun.add(requests, [images[index : index + 1], *inputs])
        return begun

    def images_ahead(self, image_shape: tuple[int, ...]) -> int:
        """As many as run at a time, so that a core finds the next one when it has done its own."""
        return (
            1
            if self._loading.is_prompt
            else min(self._loading.most_ahead, images_at_a_time(image_shape))
        )

    def close(self) -> None:
        """Let no further image start, and cancel the requests that are running."""
        self._closed.set()
        for requests in list(self._requests.values()):
            requests.cancel()

    def _requests_for(self, image_shape: tuple[int, ...], is_window: bool) -> _Requests:
        """Give what runs images of a shape, compiled now unless it was used lately."""
        key = image_shape, is_window
        if key in self._requests:
            self._requests.move_to_end(key)
        else:
            while len(self._requests) >= self._loading.num_sizes:
                self._requests.popitem(last=False)
            self._requests[key] = self._compile(image_shape, is_window)
        return self._requests[key]

    def _compile(self, image_shape: tuple[int, ...], is_window: bool) -> _Requests:
        if self._gives_way:
            return patiently(partial(self._compiled, image_shape, is_window))
        return self._compiled(image_shape, is_window)

    def _compiled(self, image_shape: tuple[int, ...], is_window: bool) -> _Requests:
        network = self._network.clone()
        network.reshape([1, *image_shape])
        limit_indices(network)
        if is_window:
            # TensorFlow writes a dilated convolution as three steps, which are one when shapes are
            # known: the cells beyond the edges are then its own.
            _fold(network)
            continue_beyond_edges(network)
        merge_heads(network)
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY" if self._loading.is_prompt else "THROUGHPUT",
            # On many cores it would run as many images at a time, each with memory of its own. The
            # number goes by the image's size, not by the batch, on which no pose may depend.
            "PERFORMANCE_HINT_NUM_REQUESTS": str(self.images_ahead(image_shape)),
            # Bound to cores, its threads wake on one that is encoding while another has nothing to
            # do: whole runs on two cores were 7 to 9 % slower, those on windows 17 to 22 %.
            "ENABLE_CPU_PINNING": "NO",
        }
        compiled = self._core.compile_model(network, "CPU", settings)
        # One more than run at a time: it waits with its image and begins at once, where Python,
        # asked for the next one, may first have to wait for its lock (2 % of two cores' time).
        # Each takes memory of its own, 10 MiB for a MobileNet at 640 x 480.
        num_running = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        requests = [compiled.create_infer_request() for _ in range(num_running + 1)]
        return _Requests(requests, _Poses(self._export))


class _Poses:
    """Turns the outputs of a graph into the poses of one image."""

    def __init__(self, export: DeepLabCutExport) -> None:
        self._export = export

    def __call__(self, *outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        if self._export.predicts_poses:
            return poses_from_rows(outputs[0], 1)
        return poses_from_score_maps(
            *outputs,
            stride_px=self._export.stride_px,
            locref_stdev_px=self._export.locref_stdev_px,
        )


class _Requests:
    """Requests for images of one size, used in turns.

    Nothing of Python runs on OpenVINO's threads, as its callbacks would: they would stand still
    whenever another thread holds Python's lock.
    """

    def __init__(self, requests: list[Any], poses_of: _Poses) -> None:
        self._requests = requests
        self._poses_of = poses_of
        self._begun: deque[_BegunImage] = deque()

    def start(self, inputs: Sequence[NDArray[Any]]) -> _BegunImage:
        """Begin with an image as soon as there is a request for it.

        Its inputs are those of the network, first the image of shape (1, height, width, 3).
        OpenVINO copies it (0.05 ms at 640 x 480): a request that is cancelled may go on for a
        while, when nobody keeps the caller's images any more.
        """
        if len(self._begun) < len(self._requests):
            request = self._requests[len(self._begun)]
        else:
            request = self._begun[0].collect()
            self._begun.popleft()
        request.start_async(dict(enumerate(inputs)))
        begun = _BegunImage(request, self._poses_of)
        self._begun.append(begun)
        return begun

    def cancel(self) -> None:
        """Cancel what is running; whoever waits for it gets a `RuntimeError`."""
        for request in self._requests:
            request.cancel()


class _BegunImage:
    """An image that was begun with, and its poses once they have been collected."""

    def __init__(self, request: Any, poses_of: _Poses) -> None:
        self._request = request
        self._poses_of = poses_of
        self._poses: NDArray[np.float64] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is nothing to wait for."""
        return self._poses is not None or bool(self._request.wait_for(0))

    def collect(self) -> Any:
        """Wait for the poses and keep them; give the request, which is free then."""
        self.poses()
        return self._request

    def poses(self) -> NDArray[np.float64]:
        """Wait for the poses, shape (body parts, 3)."""
        if self._poses is None:
            self._request.wait()
            outputs = [tensor.data for tensor in self._request.output_tensors]
            self._poses = self._poses_of(*outputs)[0]
        return self._poses


class _BegunImages:
    """The images of one batch; see `PendingPoses`."""

    def __init__(self, closed: threading.Event) -> None:
        self._closed = closed
        self._images: list[_BegunImage] = []

    def add(self, requests: _Requests, inputs: Sequence[NDArray[Any]]) -> None:
        """Begin with another image."""
        with self._unless_closed():
            self._images.append(requests.start(inputs))

    @property
    def is_ready(self) -> bool:
        """Whether there is nothing to wait for."""
        with self._unless_closed():
            return all(image.is_ready for image in self._images)

    def result(self) -> NDArray[np.float64]:
        """Wait for the poses; see `PoseModel.predict`."""
        with self._unless_closed():
            return np.stack([image.poses() for image in self._images])

    @contextmanager
    def _unless_closed(self) -> Iterator[None]:
        """Raise `Cancelled` where the model was closed before or meanwhile."""
        try:
            if not self._closed.is_set():
                yield
        except RuntimeError:
            if not self._closed.is_set():
                raise
        if self._closed.is_set():
            raise Cancelled


def _read_network(core: Any, export: DeepLabCutExport) -> Any:
    """Read the graph with 8-bit images as input, so that they need no conversion before."""
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
    network = steps.build()
    _fold(network)
    return network


def _fold(network: Any) -> None:
    """Compute once, in place, what depends on no image, such as weights times their scales.

    `compile_model` would do it for each size, and hold the results once more: it took twice as
    long, and for a ResNet-50 216 MiB rather than 158. Poses are the same bit for bit.
    """
    try:
        # `openvino.convert_model` does it in public; it takes two seconds and sends telemetry.
        from openvino._offline_transformations import apply_moc_transformations
    except ImportError:  # of another version: slower then
        return
    apply_moc_transformations(network, cf=True)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
