"""Models that misbehave while they are tried, as loaders of modules that other processes find."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.builtin import MODEL_DIR
from engine.inference import ModelExport, PoseModel, read_export
from engine.inference.model import Loading
from engine.inference.trial import Load, Trial

SHAPE = (48, 64, 3)


class Steady(PoseModel):
    """Sees every body part in the middle of every picture."""

    runtime = "numpy 1"

    def __init__(self, export: ModelExport, loading: Loading) -> None:  # noqa: ARG002 -- a loader
        self.body_parts = export.body_parts

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        height, width = images.shape[1:3]
        return np.tile([width / 2, height / 2, 0.9], (len(images), len(self.body_parts), 1))

    def close(self) -> None: ...


class Aborts(Steady):
    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:  # noqa: ARG002 -- a model
        os.abort()


class Hangs(Steady):
    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:  # noqa: ARG002 -- a model
        while True:
            time.sleep(1)


class TakesMemory(Steady):
    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        np.ones(2**32, np.uint8)
        return super().predict(images)


class RaisesTwoLines(Steady):
    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:  # noqa: ARG002 -- a model
        raise ValueError("a\nb" + "x" * 10**6)


class HasOnePartMore(Steady):
    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.repeat(super().predict(images)[:, :1], 9, axis=1)


class GivesNoPoses(Steady):
    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return super().predict(images).ravel()


class PointsFarAway(Steady):
    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return super().predict(images) * 1e6


def load(kind: type[Steady], runtime: str) -> Callable[[ModelExport, Loading], PoseModel]:  # noqa: ARG001 -- a loader
    return kind


def loader(kind: type[Steady]) -> Load:
    return partial(load, kind)


def export(sha256: str = "1" * 64) -> ModelExport:
    """Give the built-in model, which is known to be good, as another one."""
    return replace(read_export(MODEL_DIR), sha256=sha256)


def trial(kind: type[Steady], model: ModelExport | None = None, num_sizes: int = 1) -> Trial:
    loading = Loading("numpy", num_sizes=num_sizes)
    return Trial(loader(kind), model or export(), loading, batch_size=2)
