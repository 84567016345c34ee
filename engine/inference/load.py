"""Which runtime runs a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.inference.checking import TRIED_SHAPE
from engine.inference.export import ModelError, ModelExport
from engine.inference.frame_by_frame import FrameByFrame
from engine.inference.guarded import GuardedModel, ImpossiblePoseError, check_poses
from engine.inference.model import PoseModel
from engine.inference.workload import MOST_IMAGES
from engine.machine.memory import OutOfMemoryError, is_out_of_memory
from engine.untrusted.quoting import printable, reason

RUNTIMES = ("auto", "tensorflow", "openvino")
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, and GPUs under WSL


def load_model(
    export: ModelExport,
    runtime: str = "auto",
    *,
    is_prompt: bool = False,
    num_sizes: int = 1,
    most_ahead: int = MOST_IMAGES,
    continues_windows: bool = False,
) -> PoseModel:
    """Load a model and try it once.

    Parameters
    ----------
    export
        The model.
    runtime
        One of `RUNTIMES`. ``auto`` takes TensorFlow where it sees a GPU, and OpenVINO elsewhere.
    is_prompt
        Whether one image should be done as soon as can be, rather than many in the least time.
    num_sizes
        How many sizes of images the model stays ready for; each may take memory of its own.
    most_ahead
        How many images are begun with at a time, at the most: fewer have more cores each.
    continues_windows
        Whether OpenVINO lets the network see more of the same beyond the cut sides of windows.

    Raises
    ------
    ModelError
        If the graph cannot run, or does not predict the body parts that its settings name.
    RunError
        If there is no memory for the model.
    """
    chosen = _chosen(runtime)
    try:
        model = _load(export, chosen, is_prompt, num_sizes, most_ahead, continues_windows)
        poses = model.predict(np.zeros(TRIED_SHAPE, np.uint8))
    except Exception as error:
        # The runtimes do not say what they raise about a graph: errors of their own, of C++, of
        # protobuf, or those that come of outputs with other shapes than expected.
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"the model {printable(str(export.directory))}", "close other programs"
            ) from error
        if isinstance(error, ModelError | ImportError):
            raise
        raise ModelError(
            export.graph_path, f"does not run as a DeepLabCut model ({reason(error)})"
        ) from error
    _check_body_parts(export, poses.shape)
    try:
        check_poses(poses, TRIED_SHAPE[1:], export.body_parts)
    except ImpossiblePoseError as error:
        raise ModelError(export.graph_path, f"of a black picture, {error}") from error
    return GuardedModel(model, export)


def _load(
    export: ModelExport,
    runtime: str,
    is_prompt: bool,
    num_sizes: int,
    most_ahead: int,
    continues_windows: bool,
) -> PoseModel:
    # Either import takes long, and a run needs only one of them.
    if runtime == "tensorflow":
        from engine.inference.tensorflow_model import TensorFlowModel

        model = TensorFlowModel(export)
        return FrameByFrame(model) if export.depends_on_batch else model
    from engine.inference.openvino_model import OpenVinoModel

    return OpenVinoModel(
        export,
        is_prompt=is_prompt,
        num_sizes=num_sizes,
        most_ahead=most_ahead,
        continues_windows=continues_windows,
    )


def _chosen(runtime: str) -> str:
    if runtime != "auto":
        return runtime
    return "tensorflow" if _tensorflow_sees_gpu() else "openvino"


def _tensorflow_sees_gpu() -> bool:
    if not any(Path(device).exists() for device in _GPU_DEVICES):
        return False  # spares the seconds that TensorFlow's import takes
    from engine.inference.tensorflow_model import sees_gpu

    return sees_gpu()


def _check_body_parts(export: ModelExport, shape: tuple[int, ...]) -> None:
    if shape != (1, len(export.body_parts), 3):
        raise ModelError(
            export.directory,
            f"pose_cfg.yaml names {len(export.body_parts)} body parts, the graph has "
            f"{shape[1]}: they are not of one export",
        )
