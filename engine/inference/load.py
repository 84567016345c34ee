"""Which runtime runs a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.inference.export import ModelError, ModelExport
from engine.inference.frame_by_frame import FrameByFrame
from engine.inference.model import PoseModel

RUNTIMES = ("auto", "tensorflow", "openvino")
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, and GPUs under WSL


def load_model(export: ModelExport, runtime: str = "auto") -> PoseModel:
    """Load a model and try it once.

    Parameters
    ----------
    export
        The model.
    runtime
        One of `RUNTIMES`. ``auto`` takes TensorFlow where it sees a GPU, and OpenVINO elsewhere.

    Raises
    ------
    ModelError
        If the graph cannot run, or does not predict the body parts that its settings name.
    """
    model = _load(export, _chosen(runtime))
    _try_out(export, model)
    return model


def _load(export: ModelExport, runtime: str) -> PoseModel:
    # Either import takes long, and a run needs only one of them.
    if runtime == "tensorflow":
        from engine.inference.tensorflow_model import TensorFlowModel

        model = TensorFlowModel(export)
        return FrameByFrame(model) if export.depends_on_batch else model
    from engine.inference.openvino_model import OpenVinoModel

    return OpenVinoModel(export)


def _chosen(runtime: str) -> str:
    if runtime != "auto":
        return runtime
    return "tensorflow" if _tensorflow_sees_gpu() else "openvino"


def _tensorflow_sees_gpu() -> bool:
    if not any(Path(device).exists() for device in _GPU_DEVICES):
        return False  # spares the seconds that TensorFlow's import takes
    from engine.inference.tensorflow_model import sees_gpu

    return sees_gpu()


def _try_out(export: ModelExport, model: PoseModel) -> None:
    try:
        shape = model.predict(np.zeros((1, 64, 64, 3), np.uint8)).shape
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            export.graph_path, f"does not run as a DeepLabCut model ({reason})"
        ) from error
    if shape != (1, len(export.body_parts), 3):
        raise ModelError(
            export.directory,
            f"pose_cfg.yaml names {len(export.body_parts)} body parts, the graph has "
            f"{shape[1]}: they are not of one export",
        )
