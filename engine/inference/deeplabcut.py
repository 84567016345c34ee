"""The exports of DeepLabCut 2: a folder with a frozen TensorFlow graph and its settings."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.inference.graph.geometry import find_geometry
from engine.inference.graph.graph import GraphError, GraphNode, read_graph
from engine.inference.graph.operations import check_operations
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
    """An export of DeepLabCut 2.

    Attributes
    ----------
    stride_px, locref_stdev_px
        Pixels per score map cell, and the scale of the location refinement.
    predicts_poses
        True where the graph ends in poses (exported with ``TFGPUinference=True``), False where
        it ends in score maps.
    """

    stride_px: float
    locref_stdev_px: float
    predicts_poses: bool

    @property
    def details(self) -> dict[str, object]:
        """See `ModelExport.details`."""
        return {
            "flavour": "poses" if self.predicts_poses else "score maps",
            "stride_px": self.stride_px,
        }


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
    from engine.inference.tensorflow.model import sees_gpu

    return "tensorflow" if sees_gpu() else "openvino"


def load(runtime: str) -> Callable[[DeepLabCutExport, Loading], PoseModel]:
    """Import a runtime, and give what loads an export on it."""
    if runtime == "tensorflow":
        from engine.inference.tensorflow.model import TensorFlowModel, import_runtime

        import_runtime()
        return TensorFlowModel
    from engine.inference.openvino.model import OpenVinoModel

    return OpenVinoModel


def read(directory: Path) -> DeepLabCutExport:
    """Read and check what is in an export's folder.

    Raises
    ------
    ModelError
        If it is not a folder with one ``pose_cfg.yaml`` and one ``snapshot-<iterations>.pb`` of
        a single-animal DeepLabCut model for TensorFlow.
    """
    with _reading(directory):
        graph_path, iterations = _only_graph(directory)
    config = _read_config(directory)
    network = _scorer_network(directory, config)
    body_parts = _body_parts(directory, config)
    names = _names(directory, config)
    trained = f"{names['task']}{names['date']}shuffle{int(names['shuffle'])}"
    nodes, sha256 = _read_graph(graph_path)
    return DeepLabCutExport(
        format=NAME,
        directory=directory,
        graph_path=graph_path,
        body_parts=body_parts,
        network=config["net_type"],
        scorer=f"DLC_{network}_{trained}_{iterations}",
        task=names["task"],
        experimenter=names["scorer"],
        date=names["date"],
        iterations=iterations,
        depends_on_batch=any(node.is_training for node in nodes),
        sha256=sha256,
        geometry=find_geometry(nodes),
        stride_px=_positive(directory, config, "stride", 8.0),
        locref_stdev_px=_positive(directory, config, "locref_stdev", 7.2801),
        predicts_poses=_predicts_poses(graph_path, nodes),
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(path, f"cannot be read ({error.strerror})") from error


def _only_graph(directory: Path) -> tuple[Path, int]:
    """Find the graph, and how many iterations it was trained for."""
    if not directory.exists():
        raise ModelError(directory, "there is no such folder")
    if not directory.is_dir():
        raise ModelError(directory, "is a file, not the folder of an export")
    # macOS puts a ._ file beside every file that it copies to a disk of another system.
    graphs = sorted(path for path in directory.glob("*.pb") if not path.name.startswith("._"))
    if len(graphs) != 1:
        found = f"found {short_list([path.name for path in graphs])}" if graphs else "found none"
        raise ModelError(directory, f"an export holds exactly one .pb file, {found}")
    snapshot = _SNAPSHOT.fullmatch(graphs[0].name)
    if snapshot is None:
        raise ModelError(graphs[0], "the graph must be named snapshot-<iterations>.pb")
    return graphs[0], int(snapshot["iterations"])


def _read_graph(path: Path) -> tuple[list[GraphNode], str]:
    """Read the nodes of a graph, and its hash."""
    with _reading(path):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(path, "cannot be read (it is not a regular file)")
        if status.st_size > _LARGEST_GRAPH_BYTES:
            raise ModelError(
                path,
                f"has {status.st_size} bytes; an export has at most "
                f"{_LARGEST_GRAPH_BYTES // 2**20} MiB",
            )
        with path.open("rb") as file:
            try:
                nodes = read_graph(file)
                check_operations(nodes)
            except GraphError as error:
                raise ModelError(path, str(error)) from error
            file.seek(0)
            return nodes, hashlib.file_digest(file, "sha256").hexdigest()


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / "pose_cfg.yaml"
    with _reading(path):
        try:
            config = read_yaml(path, _MOST_SETTINGS_BYTES, names="all_joints_names")
        except FileNotFoundError as error:
            raise ModelError(directory, "an export holds a pose_cfg.yaml, found none") from error
        except SettingsError as error:
            raise ModelError(path, str(error)) from error
    if not isinstance(config, dict):
        raise ModelError(path, "must hold settings of the form 'name: value'")
    for key in ("all_joints_names", "net_type", "dataset"):
        if key not in config:
            raise ModelError(path, f"lacks '{key}'; exports of DeepLabCut 2 have it")
    if config.get("num_outputs") not in (None, 0, 1) or config.get("partaffinityfield_predict"):
        raise ModelError(path, "is a multi-animal model; only single-animal models are supported")
    return config


def _scorer_network(directory: Path, config: dict[str, Any]) -> str:
    """Shorten a network's name as DeepLabCut's ``get_scorer_name`` does for its .h5 files."""
    network = config["net_type"]
    try:
        if isinstance(network, str) and _NETWORK.fullmatch(network):
            if "mobilenet" in network:
                return f"mobnet_{int(float(network.rsplit('_', 1)[-1]) * 100)}"
            if "efficientnet" in network:
                return f"effnet_{network.split('-')[1]}"
            return network.replace("_", "")
    except (ValueError, IndexError, OverflowError):
        pass
    raise ModelError(
        directory / "pose_cfg.yaml", f"net_type {short(network)} is no network of DeepLabCut's"
    )


def _body_parts(directory: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """Check the names of the body parts."""
    given = config["all_joints_names"]
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
    raise ModelError(directory / "pose_cfg.yaml", f"all_joints_names must list {problem}")


def _positive(directory: Path, config: dict[str, Any], key: str, default: float) -> float:
    value = config.get(key, default)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value <= _LARGEST_SCALE
    ):
        raise ModelError(
            directory / "pose_cfg.yaml",
            f"{key} {short(value)}: must be a number above 0, at most {_LARGEST_SCALE}",
        )
    return float(value)


def _names(directory: Path, config: dict[str, Any]) -> re.Match[str]:
    dataset = config["dataset"]
    # The pattern takes time that grows with the square of a hostile text's length.
    is_sane = isinstance(dataset, str) and len(dataset) <= _LONGEST_DATASET
    match = _DATASET.search(dataset) if is_sane and dataset.isprintable() else None
    if match is None:
        raise ModelError(
            directory / "pose_cfg.yaml",
            f"dataset {short(dataset)} does not name a DeepLabCut training set "
            "(…/UnaugmentedDataSet_<task><date>/<task>_<scorer><percent>shuffle<n>.mat)",
        )
    return match


def _predicts_poses(graph_path: Path, nodes: Sequence[GraphNode]) -> bool:
    """Tell which of DeepLabCut's two forms of outputs the graph has."""
    operations = {node.name: node.operation for node in nodes}
    num_inputs = sum(node.operation == "Placeholder" for node in nodes)
    if num_inputs == 0:
        raise ModelError(graph_path, "is no DeepLabCut export: the graph has no input")
    if num_inputs > 1 or nodes[0].operation != "Placeholder":
        raise ModelError(
            graph_path, "is no DeepLabCut export: the graph must begin with its only input"
        )
    if nodes[-1].name == "concat_1":
        return True
    if operations.get("Sigmoid") == "Sigmoid" and "pose/locref_pred/block4/BiasAdd" in operations:
        return False
    raise ModelError(
        graph_path,
        "is no DeepLabCut export: the graph ends neither in poses (concat_1) nor in score maps "
        "(Sigmoid and pose/locref_pred/block4/BiasAdd)",
    )
