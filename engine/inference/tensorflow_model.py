"""The exported graph on TensorFlow, loaded by deeplabcut-live."""

from __future__ import annotations

import os
import sys
import types
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.export import ModelError, ModelExport
from engine.inference.model import Cancelled
from engine.inference.score_maps import poses_from_rows, poses_from_score_maps


class TensorFlowModel:
    """A DeepLabCut export on TensorFlow, in whole batches.

    deeplabcut-live's runner loads the graph; its own ``get_pose`` takes one frame at a time, so
    its session is fed batches here.
    """

    def __init__(self, export: ModelExport) -> None:
        self._export = export
        self._runner = _load_runner(export)
        self._closed = False

    @property
    def body_parts(self) -> tuple[str, ...]:
        """Names of the body parts, in the order of the poses."""
        return self._export.body_parts

    @property
    def runtime(self) -> str:
        """Name and version of the runtime."""
        return f"tensorflow {sys.modules['tensorflow'].__version__}"

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Estimate poses; see `PoseModel.predict`."""
        session = self._runner.sess
        if self._closed or session is None:
            raise Cancelled
        try:
            outputs = session.run(self._runner.outputs, {self._runner.inputs: images})
        except (RuntimeError, sys.modules["tensorflow"].errors.CancelledError) as error:
            if self._closed:
                raise Cancelled from error
            raise
        if self._export.predicts_poses:
            return poses_from_rows(outputs[0], len(images))
        return poses_from_score_maps(
            *outputs,
            stride_px=self._export.stride_px,
            locref_stdev_px=self._export.locref_stdev_px,
        )

    def close(self) -> None:
        """Close the session, which ends a running `predict` at its next operation."""
        self._closed = True
        self._runner.close()


def _load_runner(export: ModelExport) -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # start-up notices that help no user
    # The package root of deeplabcut-live 1.1 imports its benchmark module, and that one torch,
    # which TensorFlow models do not need.
    benchmark = types.ModuleType("dlclive.benchmark")
    benchmark.__dict__.update(benchmark_videos=None, download_benchmarking_data=None)
    sys.modules.setdefault("dlclive.benchmark", benchmark)
    from dlclive.factory import build_runner

    runner = build_runner("base", export.directory)
    smallest = np.zeros((64, 64, 3), np.uint8)
    try:
        runner.init_inference(smallest)
    except (ValueError, KeyError, IndexError, sys.modules["tensorflow"].errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(export.graph_path, f"TensorFlow cannot run it ({reason})") from error
    return runner
