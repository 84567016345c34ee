"""The exported graph on OpenVINO: the fastest way on a CPU."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from engine.inference.deeplabcut import DeepLabCutExport
from engine.inference.model import Cancelled, CutSides, Loading, PoseModel, images_at_a_time
from engine.inference.openvino_network import (
    continue_beyond_edges,
    fold,
    limit_indices,
    merge_heads,
    read_network,
)
from engine.machine.workers import patiently, undisturbed

_ALONE = Loading("openvino")


def cpu_core() -> ov.Core:
    """Make a core that has loaded its plugin for CPUs, in a thread that has ended.

    The plugin gives the thread that loads it another stack for signals, and takes this memory away
    when it is unloaded, perhaps by another thread: where that was the main thread, the next Ctrl-C
    would end the process.
    """

    def make() -> ov.Core:
        core = ov.Core()
        core.get_versions("CPU")
        return core

    return undisturbed(make)


class OpenVinoModel(PoseModel):
    """A DeepLabCut export on OpenVINO.

    Every image is a request of its own and as many requests run at a time as suit the machine,
    so that a pose can depend neither on the batch nor on its size. Precision stays float32:
    bfloat16, the default of recent processors, moves points by tens of pixels.

    A prompt model lets all cores work on one image at a time: on two of them each is done in two
    thirds of the time, and a third fewer are done in a second. Each size that it is ready for holds
    the weights once more.
    """

    def __init__(self, export: DeepLabCutExport, loading: Loading = _ALONE) -> None:
        self.body_parts = export.body_parts
        self.runtime = f"openvino {ov.__version__.split('-')[0]}"
        self._export, self._loading = export, loading
        self._core = cpu_core()
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
        key = images.shape[1:], cut is not None
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
        inputs = [] if cut is None else [np.array(cut, np.float32)]
        begun = _BegunImages(self._closed)
        for index in range(len(images)):
            with begun.unless_closed():
                image = self._requests[key].start([images[index : index + 1], *inputs])
                begun.images.append(image)
        return begun

    def images_ahead(self, image_shape: tuple[int, ...]) -> int:
        """As many as run at a time, so that a core finds the next one when it has done its own."""
        if self._loading.is_prompt:
            return 1
        return min(self._loading.most_ahead, images_at_a_time(image_shape))

    def close(self) -> None:
        """Let no further image start, and cancel the requests that are running.

        Waiting for these then raises `RuntimeError`.
        """
        self._closed.set()
        for requests in list(self._requests.values()):
            for request in requests.requests:
                request.cancel()

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
        return _Requests(self._export, requests)


@dataclass
class _BegunImage:
    """An image that was begun with, and its poses once they have been waited for."""

    export: DeepLabCutExport
    request: Any
    found: NDArray[np.float64] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.found is not None or bool(self.request.wait_for(0))

    @property
    def poses(self) -> NDArray[np.float64]:
        """The poses, shape (body parts, 3); the request is free once they are there."""
        if self.found is None:  # `cached_property` of Python 3.11 would lock out all other images
            self.request.wait()
            outputs = [tensor.data for tensor in self.request.output_tensors]
            self.found = self.export.poses(outputs, 1)[0]
        return self.found


@dataclass
class _Requests:
    """Requests for images of one size, used in turns.

    Nothing of Python runs on OpenVINO's threads, as its callbacks would: they would stand still
    whenever another thread holds Python's lock.
    """

    export: DeepLabCutExport
    requests: list[Any]
    begun: deque[_BegunImage] = field(default_factory=deque)

    def start(self, inputs: Sequence[NDArray[Any]]) -> _BegunImage:
        """Begin with an image as soon as there is a request for it.

        Its inputs are those of the network, first the image of shape (1, height, width, 3).
        OpenVINO copies it (0.05 ms at 640 x 480): a request that is cancelled may go on for a
        while, after the caller's images are gone.
        """
        if len(self.begun) < len(self.requests):
            request = self.requests[len(self.begun)]
        else:
            _ = self.begun[0].poses
            request = self.begun.popleft().request
        request.start_async(dict(enumerate(inputs)))
        self.begun.append(_BegunImage(self.export, request))
        return self.begun[-1]


@dataclass(frozen=True)
class _BegunImages:
    """The images of one batch; see `PendingPoses`."""

    closed: threading.Event
    images: list[_BegunImage] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Whether there is nothing to wait for."""
        with self.unless_closed():
            return all(image.is_ready for image in self.images)

    def result(self) -> NDArray[np.float64]:
        """Wait for the poses; see `PoseModel.predict`."""
        with self.unless_closed():
            return np.stack([image.poses for image in self.images])

    @contextmanager
    def unless_closed(self) -> Iterator[None]:
        """Raise `Cancelled` where the model was closed before or meanwhile."""
        try:
            if not self.closed.is_set():
                yield
        except RuntimeError:
            if not self.closed.is_set():
                raise
        if self.closed.is_set():
            raise Cancelled
