"""Models: as they are exported, and as any runtime has loaded them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

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
    """An exported model of any format; each format may derive a class with more attributes."""

    format: str
    """Name of its format; see `engine.inference.load.FORMATS`."""
    directory: Path
    graph_path: Path
    """The file in the folder that holds the network."""
    body_parts: tuple[str, ...]
    """Names in the model's order."""
    network: str
    """Name of the kind of network, such as ``resnet_50``."""
    scorer: str
    """DeepLabCut's name for the model, as it stands in its .h5 files."""
    task: str
    experimenter: str
    date: str
    iterations: int
    depends_on_batch: bool
    """Whether a frame's prediction depends on the frames that it is batched with, as in the
    MobileNets that DeepLabCut 2.3 exports with batch normalisation in training mode."""
    sha256: str
    """Of the file that holds the network."""
    geometry: Geometry | None = None
    """None where strides of the network and what its cells see are not known."""

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


class CutSides(NamedTuple):
    """The sides where images were cut out of larger pictures; the others are the pictures' own."""

    left: bool
    top: bool
    right: bool
    bottom: bool


@dataclass(frozen=True)
class Loading:
    """The way a model is loaded."""

    runtime: str
    """What runs it: the name of a package."""
    is_prompt: bool = False
    """Whether one image should be done as soon as can be, rather than many in the least time. Poses
    are the same."""
    num_sizes: int = 1
    """Sizes of images that the model stays ready for; each may take memory of its own."""
    most_ahead: int = MOST_IMAGES
    """Images that are begun with at a time, at the most: fewer have more cores each."""
    continues_windows: bool = False
    """Whether the network sees more of the same beyond the cut sides of windows, rather than zeros,
    where the runtime can: nearer to whole pictures, for 5 % more of a ResNet's time, and 19 % more
    of that of a whole followed run with a MobileNet."""


class PoseModel(ABC):
    """A loaded model, on any runtime."""

    body_parts: tuple[str, ...]
    """Their names, in the order of the poses."""
    runtime: str
    """Its name and version, for the record."""

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
    """Choose as many images (height, width, channels) as fit into 8 MiB or so, 1 to 8."""
    return max(1, min(MOST_IMAGES, most_bytes // math.prod(image_shape)))


def usual_batch_size(image_shape: tuple[int, ...]) -> int:
    """Choose as many images as fit into 2 MiB, 1 to 8; see `images_at_a_time`.

    A run holds some ten batches; larger ones were not faster with OpenVINO on a CPU.
    """
    return images_at_a_time(image_shape, _MOST_BATCH_BYTES)
