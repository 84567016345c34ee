"""What every runtime offers: poses for a batch of images."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Cancelled(Exception):  # noqa: N818 -- not an error: somebody asked to stop
    """Raised where work was cut short on request."""


class PoseModel(Protocol):
    """A loaded model, on whichever runtime."""

    @property
    def body_parts(self) -> tuple[str, ...]:
        """Names of the body parts, in the order of the poses."""

    @property
    def runtime(self) -> str:
        """Name and version of what runs the model, for the record."""

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
        """

    def close(self) -> None:
        """Free the model; may be called from any thread, and returns at once.

        A running `predict` raises `Cancelled`, as soon as its runtime can stop.
        """
