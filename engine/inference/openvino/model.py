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
from engine.inference.model import Cancelled, CutSides, Loading, PoseModel, images_at_a_time
from engine.inference.openvino.network import (
    continue_beyond_edges,
    fold,
    limit_indices,
    merge_heads,
    read_network,
)
from engine.inference.score_maps import poses_from_outputs
from engine.machine.workers import patiently

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
        self._core = ov.Core()
        self._network = read_network(self._core, export)
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
        if self._loading.is_prompt:
            return 1
        return min(self._loading.most_ahead, images_at_a_time(image_shape))

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
            compiled = partial(self._compiled, *key)
            # Where images are small, the encoder does not keep up unless it goes first, and two
            # cores stood still for a seventh of the time. With whole frames both have work always.
            gives_way = self._loading.num_sizes > 1
            self._requests[key] = patiently(compiled) if gives_way else compiled()
        return self._requests[key]

    def _compiled(self, image_shape: tuple[int, ...], is_window: bool) -> _Requests:
        network = self._network.clone()
        network.reshape([1, *image_shape])
        limit_indices(network)
        if is_window:
            # TensorFlow writes a dilated convolution as three steps, which are one when shapes are
            # known: the cells beyond the edges are then its own.
            fold(network)
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
        return _Requests(requests, self._export)


class _Requests:
    """Requests for images of one size, used in turns.

    Nothing of Python runs on OpenVINO's threads, as its callbacks would: they would stand still
    whenever another thread holds Python's lock.
    """

    def __init__(self, requests: list[Any], export: DeepLabCutExport) -> None:
        self._requests = requests
        self._export = export
        self._begun: deque[_BegunImage] = deque()

    def start(self, inputs: Sequence[NDArray[Any]]) -> _BegunImage:
        """Begin with an image as soon as there is a request for it.

        Its inputs are those of the network, first the image of shape (1, height, width, 3).
        OpenVINO copies it (0.05 ms at 640 x 480): a request that is cancelled may go on for a
        while, after the caller's images are gone.
        """
        if len(self._begun) < len(self._requests):
            request = self._requests[len(self._begun)]
        else:
            request = self._begun[0].collect()
            self._begun.popleft()
        request.start_async(dict(enumerate(inputs)))
        begun = _BegunImage(request, self._export)
        self._begun.append(begun)
        return begun

    def cancel(self) -> None:
        """Cancel what is running; waiting for it then raises `RuntimeError`."""
        for request in self._requests:
            request.cancel()


class _BegunImage:
    """An image that was begun with, and its poses once they have been collected."""

    def __init__(self, request: Any, export: DeepLabCutExport) -> None:
        self._request = request
        self._export = export
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
            self._poses = poses_from_outputs(self._export, outputs, 1)[0]
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
