"""Models: as they are exported, and as any runtime has loaded them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.inference.geometry import Geometry
from readers import InputError

MOST_IMAGES = 8
"""More at a time are not faster, only larger."""
_MOST_BYTES = 8 * 2**20
_MOST_BATCH_BYTES = 2 * 2**20


class ModelError(InputError):
    """A model cannot be used; the message begins with its path."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem


@dataclass(frozen=True, kw_only=True)
class ModelExport:
    """An exported model of any format; each format may derive a class with more attributes.

    Attributes
    ----------
    format
        Name of its format; see `engine.inference.load.FORMATS`.
    directory, graph_path
        The folder, and the file in it that holds the network.
    body_parts
        Names in the model's order.
    network
        Name of the kind of network, such as ``resnet_50``.
    scorer
        DeepLabCut's name for the model, as it stands in its .h5 files.
    task, experimenter, date, iterations
        What names the model in DeepLabCut's files.
    depends_on_batch
        Whether a frame's prediction depends on the frames that it is batched with, as in the
        MobileNets that DeepLabCut 2.3 exports with batch normalisation in training mode.
    sha256
        Of the file that holds the network.
    geometry
        Strides of the network and what its cells see; None where they are not known.
    """

    format: str
    directory: Path
    graph_path: Path
    body_parts: tuple[str, ...]
    network: str
    scorer: str
    task: str
    experimenter: str
    date: str
    iterations: int
    depends_on_batch: bool
    sha256: str
    geometry: Geometry | None = None

    @property
    def details(self) -> dict[str, object]:
        """More facts for ``posestream inspect``, as plain JSON values."""
        return {}


class Cancelled(Exception):  # noqa: N818 -- not an error: it was asked for
    """Raised where work was cut short on request."""


class PendingPoses(Protocol):
    """The poses of a batch that a model has begun with."""

    @property
    def is_ready(self) -> bool:
        """Whether `result` returns at once."""

    def result(self) -> NDArray[np.float64]:
        """Wait for the poses; see `PoseModel.predict`."""


@dataclass(frozen=True)
class ReadyPoses:
    """Poses that are there already."""

    poses: NDArray[np.float64]
    is_ready = True

    def result(self) -> NDArray[np.float64]:
        """Return the poses."""
        return self.poses


@dataclass(frozen=True)
class CutSides:
    """The sides where images were cut out of larger pictures; the others are the pictures' own."""

    left: bool
    top: bool
    right: bool
    bottom: bool


@dataclass(frozen=True)
class Loading:
    """The way a model is loaded.

    Attributes
    ----------
    runtime
        What runs it: the name of a package.
    is_prompt
        Whether one image should be done as soon as can be, rather than many in the least time.
        Poses are the same.
    num_sizes
        How many sizes of images the model stays ready for; each may take memory of its own.
    most_ahead
        How many images are begun with at a time, at the most: fewer have more cores each.
    continues_windows
        Whether the network sees more of the same beyond the cut sides of windows, rather than
        zeros, where the runtime can: nearer to whole pictures, for 5 % more of a ResNet's time, and
        19 % more of that of a whole followed run with a MobileNet.
    """

    runtime: str
    is_prompt: bool = False
    num_sizes: int = 1
    most_ahead: int = MOST_IMAGES
    continues_windows: bool = False


class PoseModel(ABC):
    """A loaded model, on any runtime.

    Attributes
    ----------
    body_parts
        Names of the body parts, in the order of the poses.
    runtime
        Name and version of the runtime, for the record.
    """

    body_parts: tuple[str, ...]
    runtime: str

    @abstractmethod
    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Estimate the pose in each image.

        Parameters
        ----------
        images
            uint8, shape (frames, height, width, 3), RGB.

        Returns
        -------
        float64, shape (frames, body parts, 3)
            x and y in pixels of the image, where (0, 0) is its top left corner, and likelihood,
            0-1. A frame's pose does not depend on the other frames of the batch (on TensorFlow, but
            for the rounding of float32 arithmetic).

        Raises
        ------
        Cancelled
            If `close` was called meanwhile.
        MemoryError
            If the runtime finds no memory for so many images at a time.
        """

    def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> PendingPoses:  # noqa: ARG002 -- for overriding
        """Begin with images; a model that cannot work on its own makes its caller wait here.

        Parameters
        ----------
        images
            As of `predict`; they must stay as they are until the result is there.
        cut
            The sides of windows that are not the pictures' own; None for whole pictures. A model
            that can makes up for what windows do not show, so that poses come nearer to those of
            the pictures. Poses are relative to the windows.
        """
        return ReadyPoses(self.predict(images))

    def images_ahead(self, image_shape: tuple[int, ...]) -> int:  # noqa: ARG002 -- for overriding
        """Tell how many images must be begun behind one before waiting for it, or cores idle."""
        return 0

    @abstractmethod
    def close(self) -> None:
        """Free the model; may be called from any thread, and returns at once.

        What is running ends in `Cancelled`, as soon as the runtime can stop.
        """


def images_at_a_time(image_shape: tuple[int, ...], most_bytes: int = _MOST_BYTES) -> int:
    """Choose as many images as fit into so many bytes (8 MiB), 1 to 8.

    Parameters
    ----------
    image_shape
        Height, width and channels of 8-bit images.
    most_bytes
        Bytes of all of them.
    """
    height, width, channels = image_shape
    return max(1, min(MOST_IMAGES, most_bytes // (height * width * channels)))


def usual_batch_size(image_shape: tuple[int, ...]) -> int:
    """Choose as many images as fit into 2 MiB, 1 to 8; see `images_at_a_time`.

    A run holds some ten batches; larger ones were not faster with OpenVINO on a CPU.
    """
    return images_at_a_time(image_shape, _MOST_BATCH_BYTES)
