"""The exports of DeepLabCut 2: a folder with a frozen TensorFlow graph and its settings."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.geometry import find_geometry
from engine.inference.graph import GraphError, GraphNode, check_operations, read_graph
from engine.inference.model import Loading, ModelError, ModelExport, PoseModel
from engine.untrusted.quoting import short, short_list
from engine.untrusted.small_files import SettingsError, read_yaml

NAME = "DeepLabCut"
_DATASET = re.compile(
    r"UnaugmentedDataSet_(?P<task>[^/\\]+?)(?P<date>[A-Z][a-z]{2}[0-9]{1,2})[/\\]"
    r"(?P=task)_(?P<scorer>[^/\\]+?)(?P<train_percent>[0-9]{1,3})shuffle(?P<shuffle>[0-9]{1,9})"
)
_SNAPSHOT = re.compile(r"snapshot-(?P<iterations>[0-9]+)\.pb")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
_LARGEST_GRAPH_BYTES = 320 * 2**20
"""The largest network that DeepLabCut 2 knows, a ResNet-152, has 250 MB."""
_MOST_SETTINGS_BYTES = 256 * 1024
_MOST_BODY_PARTS = 1000
_LONGEST_NAME = 100
_LONGEST_DATASET = 500
_LARGEST_SCALE = 10_000
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, and GPUs under WSL


@dataclass(frozen=True, kw_only=True)
class DeepLabCutExport(ModelExport):
    """An export of DeepLabCut 2."""

    stride_px: float
    """Pixels per score map cell."""
    locref_stdev_px: float
    """The scale of the location refinement."""
    predicts_poses: bool
    """Whether the graph ends in poses (exported with ``TFGPUinference=True``), or in score maps."""

    @property
    def details(self) -> dict[str, object]:
        """See `ModelExport.details`."""
        return {
            "flavour": "poses" if self.predicts_poses else "score maps",
            "stride_px": self.stride_px,
        }

    def poses(self, outputs: Sequence[NDArray[np.float32]], num_images: int) -> NDArray[np.float64]:
        """Turn the graph's outputs into poses, float64 (images, body parts, 3)."""
        if not self.predicts_poses:
            return poses_from_score_maps(
                *outputs, stride_px=self.stride_px, locref_stdev_px=self.locref_stdev_px
            )
        rows = outputs[0].reshape(num_images, -1, 3)  # of y, x and likelihood
        return rows[..., [1, 0, 2]].astype(np.float64)


def poses_from_score_maps(
    scores: NDArray[np.float32],
    offsets: NDArray[np.float32],
    *,
    stride_px: float,
    locref_stdev_px: float,
) -> NDArray[np.float64]:
    """Find each body part's highest score and refine its position (DeepLabCut's arg-max).

    Position = cell index × stride + stride / 2 + offset × ``locref_stdev``; the first of equal
    scores wins.

    Parameters
    ----------
    scores
        Shape (frames, rows, columns, body parts): likelihoods, 0-1.
    offsets
        Shape (frames, rows, columns, 2 × body parts): x and y of each body part.
    stride_px, locref_stdev_px
        Pixels per cell, and the scale of the offsets.

    Returns
    -------
    float64, shape (frames, body parts, 3)
        x, y in pixels, likelihood.
    """
    frames, rows, columns, parts = scores.shape
    cells = scores.reshape(frames, rows * columns, parts)
    best = cells.argmax(axis=1)
    frame = np.arange(frames)[:, np.newaxis]
    part = np.arange(parts)
    refinement = offsets.reshape(frames, rows * columns, parts, 2)[frame, best, part]
    position = np.stack([best % columns, best // columns], axis=-1)
    poses = np.empty((frames, parts, 3))
    poses[..., :2] = (
        position * stride_px + 0.5 * stride_px + refinement * np.float32(locref_stdev_px)
    )
    poses[..., 2] = cells[frame, best, part]
    return poses


def recognise(path: Path) -> bool:
    """Tell whether a folder holds a frozen graph."""
    try:
        return any(path.glob("*.pb"))
    except OSError:
        return False


def choose(runtime: str) -> str:
    """Choose TensorFlow where it sees a GPU, and OpenVINO elsewhere, unless one is asked for."""
    if runtime != "auto":
        return runtime
    if not any(Path(device).exists() for device in _GPU_DEVICES):
        return "openvino"  # spares the seconds that TensorFlow's import takes
    from engine.inference.tensorflow import sees_gpu

    return "tensorflow" if sees_gpu() else "openvino"


def load(runtime: str) -> Callable[[DeepLabCutExport, Loading], PoseModel]:
    """Import a runtime, and give what loads an export on it."""
    if runtime == "tensorflow":
        from engine.inference.tensorflow import TensorFlowModel, import_runtime

        import_runtime()
        return TensorFlowModel
    from engine.inference.openvino import OpenVinoModel

    return OpenVinoModel


def read(directory: Path) -> DeepLabCutExport:
    """Read and check what is in an export's folder.

    Raises
    ------
    ModelError
        If it is not a folder with one ``pose_cfg.yaml`` and one ``snapshot-<iterations>.pb`` of
        a single-animal DeepLabCut model for TensorFlow.
    """
    graph_path, iterations = _only_graph(directory)
    with _blaming(directory / "pose_cfg.yaml"):
        config = _read_config(directory)
        names = _names(config, iterations)
        body_parts = _body_parts(config["all_joints_names"])
    with _blaming(graph_path):
        nodes, sha256 = _read_graph(graph_path)
        return DeepLabCutExport(
            **names,
            format=NAME,
            directory=directory,
            graph_path=graph_path,
            body_parts=body_parts,
            network=config["net_type"],
            iterations=iterations,
            depends_on_batch=any(node.attributes.get("is_training") is True for node in nodes),
            sha256=sha256,
            geometry=find_geometry(nodes),
            stride_px=float(config["stride"]),
            locref_stdev_px=float(config["locref_stdev"]),
            predicts_poses=_predicts_poses(nodes),
        )


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Name the path in errors about what is in it."""
    try:
        yield
    except OSError as error:
        raise ModelError(path, f"cannot be read ({error.strerror})") from error
    except (SettingsError, GraphError) as error:
        raise ModelError(path, str(error)) from error


def _only_graph(directory: Path) -> tuple[Path, int]:
    """Find the graph, and how many iterations it was trained for."""
    with _blaming(directory):
        if not directory.exists():
            raise ModelError(directory, "there is no such folder")
        if not directory.is_dir():
            raise ModelError(directory, "is a file, not the folder of an export")
        # macOS puts a ._ file beside every file that it copies to a disk of another system.
        graphs = sorted(path for path in directory.glob("*.pb") if not path.name.startswith("._"))
    if len(graphs) != 1:
        found = short_list([path.name for path in graphs]) or "none"
        raise ModelError(directory, f"an export holds exactly one .pb file, found {found}")
    snapshot = _SNAPSHOT.fullmatch(graphs[0].name)
    if snapshot is None:
        raise ModelError(graphs[0], "the graph must be named snapshot-<iterations>.pb")
    return graphs[0], int(snapshot["iterations"])


def _read_config(directory: Path) -> dict[str, Any]:
    try:
        path = directory / "pose_cfg.yaml"
        config = read_yaml(path, _MOST_SETTINGS_BYTES, names="all_joints_names")
    except FileNotFoundError as error:
        raise ModelError(directory, "an export holds a pose_cfg.yaml, found none") from error
    if not isinstance(config, dict):
        raise SettingsError("must hold settings of the form 'name: value'")
    for key in ("all_joints_names", "net_type", "dataset"):
        if key not in config:
            raise SettingsError(f"lacks '{key}'; exports of DeepLabCut 2 have it")
    if config.get("num_outputs") not in (None, 0, 1) or config.get("partaffinityfield_predict"):
        raise SettingsError("is a multi-animal model; only single-animal models are supported")
    for key, default in (("stride", 8.0), ("locref_stdev", 7.2801)):
        value = config.setdefault(key, default)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 < value <= _LARGEST_SCALE:
            raise SettingsError(
                f"{key} {short(value)}: must be a number above 0, at most {_LARGEST_SCALE}"
            )
    return config


def _names(config: dict[str, Any], iterations: int) -> dict[str, str]:
    """Give the fields of an export that name it as DeepLabCut does.

    For its .h5 files, ``get_scorer_name`` of DeepLabCut shortens the name of the network.
    """
    network, dataset = config["net_type"], config["dataset"]
    kind = ""
    if isinstance(network, str) and _NETWORK.fullmatch(network):
        with suppress(ValueError, IndexError, OverflowError):
            if "mobilenet" in network:
                kind = f"mobnet_{int(float(network.rsplit('_', 1)[-1]) * 100)}"
            elif "efficientnet" in network:
                kind = f"effnet_{network.split('-')[1]}"
            else:
                kind = network.replace("_", "")
    if not kind:
        raise SettingsError(f"net_type {short(network)} is no network of DeepLabCut's")
    # The pattern takes time that grows with the square of a hostile text's length.
    is_sane = isinstance(dataset, str) and len(dataset) <= _LONGEST_DATASET
    match = _DATASET.search(dataset) if is_sane and dataset.isprintable() else None
    if match is None:
        raise SettingsError(
            f"dataset {short(dataset)} does not name a DeepLabCut training set "
            "(…/UnaugmentedDataSet_<task><date>/<task>_<scorer><percent>shuffle<n>.mat)"
        )
    trained = f"{match['task']}{match['date']}shuffle{int(match['shuffle'])}"
    return {
        "scorer": f"DLC_{kind}_{trained}_{iterations}",
        "task": match["task"],
        "experimenter": match["scorer"],
        "date": match["date"],
    }


def _body_parts(given: object) -> tuple[str, ...]:
    """Check the names of the body parts."""
    names = given if isinstance(given, list) else []
    others = [name for name in names if not isinstance(name, str)]
    unfit = [
        name
        for name in names
        if not others and not (name.isprintable() and 0 < len(name) <= _LONGEST_NAME)
    ]
    if len(names) > _MOST_BODY_PARTS:
        problem = f"at most {_MOST_BODY_PARTS}, got {len(names)}"
    elif others:
        problem = f"names, got {short(others[0])}"
    elif unfit:
        problem = f"names of 1 to {_LONGEST_NAME} printable characters, got {short(unfit[0])}"
    elif not names or len(set(names)) < len(names):
        problem = f"distinct body parts, got {short(given)}"
    else:
        return tuple(names)
    raise SettingsError(f"all_joints_names must list {problem}")


def _read_graph(path: Path) -> tuple[list[GraphNode], str]:
    """Read the nodes of a graph, and its hash."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise GraphError("cannot be read (it is not a regular file)")
    if status.st_size > _LARGEST_GRAPH_BYTES:
        raise GraphError(
            f"has {status.st_size} bytes; an export has at most {_LARGEST_GRAPH_BYTES // 2**20} MiB"
        )
    with path.open("rb") as file:
        nodes = read_graph(file)
        check_operations(nodes)
        file.seek(0)
        return nodes, hashlib.file_digest(file, "sha256").hexdigest()


def _predicts_poses(nodes: Sequence[GraphNode]) -> bool:
    """Tell which of DeepLabCut's two forms of outputs the graph has."""
    operations = {node.name: node.operation for node in nodes}
    num_inputs = sum(node.operation == "Placeholder" for node in nodes)
    if num_inputs == 0:
        raise GraphError("is no DeepLabCut export: the graph has no input")
    if num_inputs > 1 or nodes[0].operation != "Placeholder":
        raise GraphError("is no DeepLabCut export: the graph must begin with its only input")
    if nodes[-1].name == "concat_1":
        return True
    if operations.get("Sigmoid") == "Sigmoid" and "pose/locref_pred/block4/BiasAdd" in operations:
        return False
    raise GraphError(
        "is no DeepLabCut export: the graph ends neither in poses (concat_1) nor in score maps "
        "(Sigmoid and pose/locref_pred/block4/BiasAdd)"
    )
