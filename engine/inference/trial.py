"""The trial of a model before it is used, and the guard around it while it is.

A runtime may crash, hang or take all memory on a model that is damaged or made to harm. In a
process of its own it first predicts on black pictures, under limits of memory and time, and this
process gets one line on any failure. Models that have passed are remembered in the user's cache
folder. Afterwards each pose is checked.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.builtin import MODEL_NUM_BODY_PARTS, MODEL_SHA256
from engine.errors import RunError
from engine.inference.model import (
    Cancelled,
    CutSides,
    Loading,
    ModelError,
    ModelExport,
    PendingPoses,
    PoseModel,
)
from engine.machine.system import (
    Cache,
    OutOfMemoryError,
    available_mib,
    is_out_of_memory,
    limit_memory,
)
from engine.machine.workers import Child, ChildDiedError, ChildHungError
from engine.untrusted.quoting import printable, reason, short

Shape: TypeAlias = tuple[int, ...]
"""Height, width and channels."""
Load: TypeAlias = Callable[[str], Callable[[Any, Loading], PoseModel]]

TRIED_SHAPE = (64, 64, 3)
"""A size that suits any network, where none is known yet."""
_START_S = 300.0
"""For importing a runtime, which takes long where a disk is slow."""
_LEAST_S, _S_PER_MODEL_MIB, _S_PER_MEGAPIXEL = 60.0, 0.5, 20.0
"""A ResNet-152, the slowest of DeepLabCut's networks, takes 2 s for a megapixel on two cores."""
_LEAST_MIB, _MIB_PER_CORE, _MIB_PER_MODEL_MIB, _MIB_PER_MEGAPIXEL = 512.0, 32.0, 16.0, 2048.0
"""A ResNet-50 takes 900 MiB for 1280 x 1024, an EfficientNet-b6 some 800 bytes a pixel; the stacks
of a core's threads count, too."""
_MOST_OF_FREE = 0.8
_NEAR_PX = 500
"""How far from its picture a place may be: of noise, trained networks were seen to go to 27 px."""
_ROUNDING = 1e-4
_LOWEST = np.array([-_NEAR_PX, -_NEAR_PX, -_ROUNDING])


@dataclass
class Trial:
    """The trial of one model, with pictures of any sizes."""

    load: Load
    """See `engine.inference.load.ModelFormat`."""
    export: ModelExport
    loading: Loading
    batch_size: int
    """Pictures that it is given at a time."""
    passed: set[Shape] = field(default_factory=set)
    """The sizes of pictures that it has passed with."""

    def check(self, shape: Shape) -> None:
        """Try the model with pictures of a size, unless it has passed with it; see `trying`.

        Sizes within one that has passed are those of windows, if the model is ready for some, and
        need no trial.
        """
        is_window = self.loading.num_sizes > 1 and any(
            shape[0] <= other[0] and shape[1] <= other[1] for other in self.passed
        )
        if shape not in self.passed and not is_window:
            with self.trying([shape]):
                pass

    @contextmanager
    def trying(self, shapes: Sequence[Shape]) -> Iterator[None]:
        """Try the model meanwhile with pictures of sizes that it has never passed with.

        Raises
        ------
        ModelError
            At the end of the block, if the model fails.
        RunError
            If it cannot be tried, or there is no memory for it.
        """
        is_built_in = self.export.sha256 == MODEL_SHA256
        is_built_in &= len(self.export.body_parts) == MODEL_NUM_BODY_PARTS
        cache = Cache("tried-models")
        keys = {} if is_built_in else {shape: self.key(shape) for shape in shapes}
        new = {shape: key for shape, key in keys.items() if key not in cache}
        with self._in_child(tuple(new)) if new else nullcontext():
            yield
        self.passed.update(shapes)
        for key in new.values():
            cache.add(key)

    def key(self, shape: Shape) -> str:
        """Write down all that the outcome may depend on."""
        versions = []
        for package in ("posestream", self.loading.runtime, "numpy"):
            try:
                versions.append(version(package))
            except PackageNotFoundError:  # under another name
                versions.append("")
        machine = platform.node(), platform.system(), platform.machine(), sys.version, *versions
        model = replace(self.export, directory=Path(), graph_path=Path())
        return repr((machine, self.loading.runtime, model, shape, self.batch_size))

    @contextmanager
    def _in_child(self, shapes: Sequence[Shape]) -> Iterator[None]:
        path = self.export.graph_path
        sizes = ", ".join(f"{shape[1]} x {shape[0]}" for shape in shapes)
        given = f"given {self.batch_size} of {sizes} pixels at a time"
        megapixels = self.batch_size * max(shape[0] * shape[1] for shape in shapes) / 1e6
        model_mib = path.stat().st_size / 2**20
        wanted_mib = _LEAST_MIB + _MIB_PER_CORE * (os.cpu_count() or 1)
        wanted_mib += _MIB_PER_MODEL_MIB * model_mib + _MIB_PER_MEGAPIXEL * megapixels
        most_mib = min(wanted_mib, _MOST_OF_FREE * available_mib())
        per_size_s = _S_PER_MODEL_MIB * model_mib + _S_PER_MEGAPIXEL * megapixels
        most_s = _LEAST_S + per_size_s * len(shapes)
        with closing(Child(_try, self, shapes, most_mib)) as child:
            child.kill_after(_START_S)
            yield
            try:
                failure = child.result(lambda _: child.kill_after(most_s))
            except ChildHungError as error:
                raise ModelError(path, f"takes more than {most_s:.0f} s, {given}") from error
            except ChildDiedError as error:
                raise ModelError(path, f"ends its process ({error}), {given}") from error
        match failure:
            case blamed_path, str(problem):
                raise ModelError(blamed_path, problem)
            case blamed_path, None if most_mib < wanted_mib:
                raise OutOfMemoryError(f"the model {printable(str(blamed_path))}, {given}")
            case _, None:
                raise ModelError(path, f"takes more than {most_mib:,.0f} MiB of memory, {given}")


def _try(
    tell: Callable[[None], None], trial: Trial, shapes: Sequence[Shape], most_mib: float
) -> tuple[Path, str | None] | None:
    """Load a model and look at black pictures, in a process for this alone.

    Gives what is to blame and why, without words for a lack of memory; None if it has passed.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # a GPU's memory is for the process that runs it
    export = trial.export
    try:
        load = trial.load(trial.loading.runtime)
        tell(None)
        limit_memory(most_mib)
        model = load(export, trial.loading)
        for shape in shapes:
            poses = model.predict(np.zeros((trial.batch_size, *shape), np.uint8))
            if poses.ndim != 3:
                return blamed(ValueError(f"gives poses of the shape {poses.shape}"), export)
            if poses.shape != (trial.batch_size, len(export.body_parts), 3):
                given = f"the export names {len(export.body_parts)} body parts, the graph has "
                return export.directory, f"{given}{poses.shape[1]}: they are not of one export"
            check_poses(poses, shape, export.body_parts)
    except ImpossiblePoseError as error:
        return export.graph_path, f"of a black picture, {error}"
    except Exception as error:  # the runtimes do not say what they raise
        path, problem = blamed(error, export)
        return path, None if is_out_of_memory(error) else problem
    return None


def blamed(error: Exception, export: ModelExport) -> tuple[Path, str]:
    """Tell what is to blame for an error while a model was loaded or tried, and why, in one line.

    The runtimes raise errors of their own, of C++, of protobuf, or those that come of outputs with
    other shapes than expected.
    """
    if isinstance(error, ModelError):
        return error.path, error.problem
    return export.graph_path, f"does not run as a {export.format} model ({reason(error)})"


class ImpossiblePoseError(RunError):
    """A pose that no picture can have; the message is one line, without the frame.

    `image` is the index of its image among those that were given together.
    """

    def __init__(self, image: int, problem: str) -> None:
        super().__init__(problem)
        self.image = image


def check_poses(poses: NDArray[np.float64], image_shape: Shape, body_parts: Sequence[str]) -> None:
    """Check that poses are numbers, in or near their pictures, and likely from 0 to 1.

    `poses` are float64, shape (frames, body parts, 3): x, y in pixels, likelihood.

    Raises
    ------
    ImpossiblePoseError
        If one is not; the message is about the first.
    """
    height, width, _ = image_shape
    highest = width + _NEAR_PX, height + _NEAR_PX, 1 + _ROUNDING
    is_possible = (poses >= _LOWEST) & (poses <= highest)  # NaN is not
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


class GuardedModel(PoseModel):
    """A loaded model whose sizes of images and poses are checked, and whose errors are one line.

    `check_shape` is called with each new shape of images before the model sees it, and raises where
    it must not.
    """

    def __init__(
        self,
        model: PoseModel,
        export: ModelExport,
        check_shape: Callable[[Shape], None] = lambda _: None,
    ) -> None:
        self.body_parts, self.runtime = model.body_parts, model.runtime
        self._model, self._export, self._check_shape = model, export, check_shape
        self._shapes: set[Shape] = set()

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
            If the model fails; from `PendingPoses.result`, too, and `ImpossiblePoseError` there.
        """
        with self.guarded(images.shape):
            return _GuardedPoses(self, self._model.start(images, cut), images.shape)

    def images_ahead(self, image_shape: Shape) -> int:
        """Tell how many images must be begun behind one; see `PoseModel.images_ahead`."""
        return self._model.images_ahead(image_shape)

    def close(self) -> None:
        """Free the model."""
        self._model.close()

    @contextmanager
    def guarded(self, shape: Shape) -> Iterator[None]:
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
            path = printable(str(self._export.graph_path))
            raise RunError(f"{path}: the model failed, given {images} ({reason(error)})") from error


@dataclass(frozen=True)
class _GuardedPoses:
    """Poses that are checked once they are there."""

    model: GuardedModel
    pending: PendingPoses
    shape: Shape

    @property
    def is_ready(self) -> bool:
        with self.model.guarded(self.shape):
            return self.pending.is_ready

    def result(self) -> NDArray[np.float64]:
        with self.model.guarded(self.shape):
            poses = self.pending.result()
            check_poses(poses, self.shape[1:], self.model.body_parts)
        return poses
