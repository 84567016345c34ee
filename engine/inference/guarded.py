"""The guard around a loaded model, which gives possible poses or an error of one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.inference.model import Cancelled, CutSides, ModelExport, PendingPoses, PoseModel
from engine.machine.system import OutOfMemoryError, is_out_of_memory
from engine.untrusted.quoting import printable, reason, short

_NEAR_PX = 500
"""How far from its picture a place may be: of noise, trained networks were seen to go to 27 px."""
_ROUNDING = 1e-4


class ImpossiblePoseError(RunError):
    """A pose that no picture can have; the message is one line, without the frame.

    Attributes
    ----------
    image
        Index of its image among those that were given together.
    """

    def __init__(self, image: int, problem: str) -> None:
        super().__init__(problem)
        self.image = image


def check_poses(
    poses: NDArray[np.float64], image_shape: tuple[int, ...], body_parts: Sequence[str]
) -> None:
    """Check that poses are numbers, in or near their pictures, and likely from 0 to 1.

    Parameters
    ----------
    poses
        float64, shape (frames, body parts, 3): x, y in pixels, likelihood.
    image_shape
        Height, width and channels of their images.
    body_parts
        Their names.

    Raises
    ------
    ImpossiblePoseError
        If one is not; the message is about the first.
    """
    height, width, _ = image_shape
    lowest, highest = _limits(height, width)
    is_possible = (poses >= lowest) & (poses <= highest)  # NaN is not
    if is_possible.all():
        return
    image, part = np.argwhere(~is_possible.all(axis=2))[0]
    x, y, likelihood = poses[image, part]
    raise ImpossiblePoseError(
        int(image),
        f"the model places {short(body_parts[part])} at x {x:.6g}, y {y:.6g} with likelihood "
        f"{likelihood:.6g}; a place must be within {_NEAR_PX} px of the picture "
        f"({width} x {height}) and a likelihood from 0 to 1: export the model anew, or use another",
    )


@lru_cache(maxsize=100)  # for each batch anew they would take a quarter of the check
def _limits(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lowest = np.array([-_NEAR_PX, -_NEAR_PX, -_ROUNDING])
    return lowest, np.array([width + _NEAR_PX, height + _NEAR_PX, 1 + _ROUNDING])


class GuardedModel(PoseModel):
    """A loaded model whose sizes of images and poses are checked, and whose errors are one line.

    Parameters
    ----------
    model, export
        The model.
    check_shape
        Is called with each new shape of images, (height, width, channels), before the model sees
        it, and raises where it must not.
    """

    def __init__(
        self,
        model: PoseModel,
        export: ModelExport,
        check_shape: Callable[[tuple[int, ...]], None] = lambda _: None,
    ) -> None:
        self.body_parts, self.runtime = model.body_parts, model.runtime
        self._model, self._export, self._check_shape = model, export, check_shape
        self._shapes: set[tuple[int, ...]] = set()

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Estimate poses; see `PoseModel.predict`, and `start` for further errors."""
        return self.start(images).result()

    def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> PendingPoses:
        """Begin with images; see `PoseModel.start`.

        Raises
        ------
        ModelError
            If the network is not made for images of this size.
        RunError
            If the model fails; from `PendingPoses.result`, too.
        ImpossiblePoseError
            From `PendingPoses.result`.
        """
        with self.guarded(images.shape):
            return _GuardedPoses(self, self._model.start(images, cut), images.shape)

    def images_ahead(self, image_shape: tuple[int, ...]) -> int:
        """Tell how many images must be begun behind one; see `PoseModel.images_ahead`."""
        return self._model.images_ahead(image_shape)

    def close(self) -> None:
        """Free the model."""
        self._model.close()

    @contextmanager
    def guarded(self, shape: tuple[int, ...]) -> Iterator[None]:
        """Check the size of images, and say in one line what goes wrong with them."""
        if shape[1:] not in self._shapes:
            self._check_shape(shape[1:])
            self._shapes.add(shape[1:])
        try:
            yield
        except (Cancelled, RunError):
            raise
        except Exception as error:  # the runtimes do not say what they raise
            images = f"{shape[0]} of {shape[2]} x {shape[1]} pixels at a time"
            if is_out_of_memory(error):
                raise OutOfMemoryError(f"the model, given {images}") from error
            raise RunError(
                f"{printable(str(self._export.graph_path))}: the model failed, given {images} "
                f"({reason(error)})"
            ) from error


@dataclass(frozen=True)
class _GuardedPoses:
    """Poses that are checked once they are there."""

    model: GuardedModel
    pending: PendingPoses
    shape: tuple[int, ...]

    @property
    def is_ready(self) -> bool:
        with self.model.guarded(self.shape):
            return self.pending.is_ready

    def result(self) -> NDArray[np.float64]:
        with self.model.guarded(self.shape):
            poses = self.pending.result()
            check_poses(poses, self.shape[1:], self.model.body_parts)
        return poses
