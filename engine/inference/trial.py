"""The trial of a model in a process of its own, before anything of it runs in this one.

A runtime may crash, hang or take all memory on a model that is damaged or made to harm. There it
predicts on black pictures, under limits of memory and time, and this process gets one line on any
failure. Models that have passed are remembered in the user's cache folder.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.builtin import MODEL_NUM_BODY_PARTS, MODEL_SHA256
from engine.inference.guarded import ImpossiblePoseError, check_poses
from engine.inference.model import Loading, ModelError, ModelExport, PoseModel
from engine.machine.system import (
    Cache,
    OutOfMemoryError,
    available_mib,
    is_out_of_memory,
    limit_memory,
)
from engine.machine.workers import Child, ChildDiedError, ChildHungError
from engine.untrusted.quoting import printable, reason

Shape: TypeAlias = tuple[int, ...]
Load: TypeAlias = Callable[[str], Callable[[Any, Loading], PoseModel]]
Failure: TypeAlias = tuple[Path, str | None]

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


@dataclass(frozen=True)
class _Task:
    """The work of the other process; `load` is that of a `ModelFormat`."""

    load: Load
    export: ModelExport
    loading: Loading
    batch_size: int
    shapes: Sequence[Shape] = ()

    @property
    def megapixels(self) -> float:
        """Of the largest batch."""
        return self.batch_size * max(shape[0] * shape[1] for shape in self.shapes) / 1e6

    def __str__(self) -> str:
        sizes = ", ".join(f"{shape[1]} x {shape[0]}" for shape in self.shapes)
        return f"{self.batch_size} of {sizes} pixels at a time"


class Trial:
    """The trial of one model, with pictures of any sizes.

    Parameters
    ----------
    load
        See `engine.inference.load.ModelFormat`.
    export, loading
        The model, and how it is loaded.
    batch_size
        Pictures that it is given at a time.
    """

    def __init__(self, load: Load, export: ModelExport, loading: Loading, batch_size: int) -> None:
        self._task = _Task(load, export, loading, batch_size)
        self._passed: set[Shape] = set()
        self._cache = Cache("tried-models")
        self._is_built_in = (
            export.sha256 == MODEL_SHA256 and len(export.body_parts) == MODEL_NUM_BODY_PARTS
        )

    def check(self, shape: Shape) -> None:
        """Try the model with pictures of a size, unless it has passed with it.

        Parameters
        ----------
        shape
            Height, width and channels. Sizes within one that has passed are those of windows, if
            the model is ready for some, and need no trial.

        Raises
        ------
        ModelError
            If the model fails.
        RunError
            If it cannot be tried, or there is no memory for it.
        """
        is_window = self._task.loading.num_sizes > 1 and any(
            shape[0] <= other[0] and shape[1] <= other[1] for other in self._passed
        )
        if shape not in self._passed and not is_window:
            with closing(self.begin([shape])) as begun:
                begun.finish()

    def begin(self, shapes: Iterable[Shape]) -> BegunTrial:
        """Begin to try the model with pictures of sizes that it has not passed with yet."""
        keys = {} if self._is_built_in else {shape: self._key(shape) for shape in shapes}
        new = {shape: key for shape, key in keys.items() if key not in self._cache}

        def note_passed() -> None:
            self._passed.update(shapes)
            for key in new.values():
                self._cache.add(key)

        return BegunTrial(replace(self._task, shapes=tuple(new)), note_passed)

    def _key(self, shape: Shape) -> str:
        """Write down all that the outcome may depend on."""
        task = self._task
        versions = map(_version, ("posestream", task.loading.runtime, "numpy"))
        machine = platform.node(), platform.system(), platform.machine(), sys.version, *versions
        model = replace(task.export, directory=Path(), graph_path=Path())
        return repr((machine, task.loading.runtime, model, shape, task.batch_size))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # under another name
        return ""


class BegunTrial:
    """A trial that goes on in another process; to be closed."""

    def __init__(self, task: _Task, note_passed: Callable[[], None]) -> None:
        self._task, self._note_passed = task, note_passed
        self._child: Child | None = None
        if not task.shapes:
            return
        model_mib = task.export.graph_path.stat().st_size / 2**20
        wanted_mib = (
            _LEAST_MIB
            + _MIB_PER_CORE * (os.cpu_count() or 1)
            + _MIB_PER_MODEL_MIB * model_mib
            + _MIB_PER_MEGAPIXEL * task.megapixels
        )
        self._most_mib = min(wanted_mib, _MOST_OF_FREE * available_mib())
        self._is_short_of_memory = self._most_mib < wanted_mib
        per_size_s = _S_PER_MODEL_MIB * model_mib + _S_PER_MEGAPIXEL * task.megapixels
        self._most_s = _LEAST_S + per_size_s * len(task.shapes)
        self._child = Child(_try, task, self._most_mib)
        self._child.kill_after(_START_S)

    def finish(self) -> None:
        """Wait until the model has passed; see `Trial.check` for errors."""
        failure: Failure | None = None
        if (child := self._child) is not None:
            try:
                failure = child.result(lambda _: child.kill_after(self._most_s))
            except ChildHungError as error:
                raise self._failed(f"takes more than {self._most_s:.0f} s") from error
            except ChildDiedError as error:
                raise self._failed(f"ends its process ({error})") from error
        if failure is not None:
            path, problem = failure
            if problem is not None:
                raise ModelError(path, problem)
            if self._is_short_of_memory:
                raise OutOfMemoryError(f"the model {printable(str(path))}, given {self._task}")
            raise self._failed(f"takes more than {self._most_mib:,.0f} MiB of memory")
        self._note_passed()

    def close(self) -> None:
        """End the other process."""
        if self._child is not None:
            self._child.close()

    def _failed(self, what: str) -> ModelError:
        return ModelError(self._task.export.graph_path, f"{what}, given {self._task}")


def _try(tell: Callable[[None], None], task: _Task, most_mib: float) -> Failure | None:
    """Load a model and look at black pictures, in a process for this alone.

    Returns
    -------
    (Path, str or None) or None
        What is to blame and why, without words for a lack of memory; None if the model has passed.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # a GPU's memory is for the process that runs it
    try:
        load = task.load(task.loading.runtime)
        tell(None)
        limit_memory(most_mib)
        model = load(task.export, task.loading)
        for shape in task.shapes:
            _check(task, shape, model.predict(np.zeros((task.batch_size, *shape), np.uint8)))
    except Exception as error:  # the runtimes do not say what they raise
        path, problem = blamed(error, task.export)
        return path, None if is_out_of_memory(error) else problem
    return None


def _check(task: _Task, shape: Shape, poses: NDArray[np.float64]) -> None:
    """Check that poses are those of the export's body parts, and possible."""
    export = task.export
    if poses.ndim != 3:
        raise ValueError(f"gives poses of the shape {poses.shape}")
    if poses.shape != (task.batch_size, len(export.body_parts), 3):
        raise ModelError(
            export.directory,
            f"the export names {len(export.body_parts)} body parts, the graph has "
            f"{poses.shape[1]}: they are not of one export",
        )
    try:
        check_poses(poses, shape, export.body_parts)
    except ImpossiblePoseError as error:
        raise ModelError(export.graph_path, f"of a black picture, {error}") from error


def blamed(error: Exception, export: ModelExport) -> tuple[Path, str]:
    """Tell what is to blame for an error while a model was loaded or tried, and why, in one line.

    The runtimes raise errors of their own, of C++, of protobuf, or those that come of outputs with
    other shapes than expected.
    """
    if isinstance(error, ModelError):
        return error.path, error.problem
    return export.graph_path, f"does not run as a {export.format} model ({reason(error)})"
