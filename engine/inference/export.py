"""A model that DeepLabCut exported: what its folder says about it."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.inference.checking import TRIED_SHAPE, check_graph
from engine.inference.geometry import Geometry, find_geometry
from engine.inference.graph import GraphNode, read_graph
from engine.inference.graph_error import GraphError
from engine.untrusted.quoting import short, short_list
from engine.untrusted.small_files import SettingsError, read_yaml
from readers import InputError
from sinks.tables.pose_estimates import table_holds

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


class ModelError(InputError):
    """A model cannot be used; the message begins with its path."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


@dataclass(frozen=True)
class ModelExport:
    """A DeepLabCut export, read and checked but not loaded.

    Attributes
    ----------
    directory, graph_path
        The folder, and the frozen graph in it.
    body_parts
        Names in the model's order.
    network
        DeepLabCut's name of the network, such as ``resnet_50``.
    stride_px, locref_stdev_px
        Pixels per score map cell, and the scale of the location refinement.
    task, experimenter, date, shuffle, iterations
        What names the model in DeepLabCut's files.
    predicts_poses
        True where the graph ends in poses (exported with ``TFGPUinference=True``), False where
        it ends in score maps.
    depends_on_batch
        Whether a frame's prediction depends on the frames that it is batched with, as in the
        MobileNets that DeepLabCut 2.3 exports with batch normalisation in training mode.
    sha256
        Of the frozen graph.
    geometry
        How the network looks at a picture; None where its graph does not tell.
    nodes
        The graph without its weights.
    """

    directory: Path
    graph_path: Path
    body_parts: tuple[str, ...]
    network: str
    stride_px: float
    locref_stdev_px: float
    task: str
    experimenter: str
    date: str
    shuffle: int
    iterations: int
    predicts_poses: bool
    depends_on_batch: bool
    sha256: str
    geometry: Geometry | None = None
    nodes: Sequence[GraphNode] = field(default=(), repr=False, compare=False)

    @property
    def scorer(self) -> str:
        """DeepLabCut's name for the model, as it stands in its .h5 files."""
        network = _scorer_network(self.network)
        return f"DLC_{network}_{self.task}{self.date}shuffle{self.shuffle}_{self.iterations}"

    def check_images(self, image_shape: tuple[int, ...]) -> None:
        """Check that the network can look at images of a size, before it takes memory for them.

        Parameters
        ----------
        image_shape
            Height, width and channels.

        Raises
        ------
        ModelError
            If the graph does not fit such images, or takes more for them than any network.
        """
        _check_graph(self.graph_path, self.nodes, image_shape)


def _scorer_network(network: str) -> str:
    """Shorten a network's name as DeepLabCut's ``get_scorer_name`` does."""
    if "mobilenet" in network:
        return f"mobnet_{int(float(network.rsplit('_', 1)[-1]) * 100)}"
    if "efficientnet" in network:
        return f"effnet_{network.split('-')[1]}"
    return network.replace("_", "")


def read_export(directory: Path) -> ModelExport:
    """Read and check what is in an export's folder.

    Raises
    ------
    ModelError
        If it is not a folder with one ``pose_cfg.yaml`` and one ``snapshot-<iterations>.pb`` of
        a single-animal DeepLabCut model for TensorFlow, or if the names of its body parts are
        more than pose estimates can hold.
    """
    with _reading(directory):
        graph_path = _only_graph(directory)
    snapshot = _SNAPSHOT.fullmatch(graph_path.name)
    if snapshot is None:
        raise ModelError(graph_path, "the graph must be named snapshot-<iterations>.pb")
    config = _read_config(directory)
    body_parts = _body_parts(directory, config)
    names = _names(directory, config)
    nodes, sha256 = _read_graph(graph_path)
    predicts_poses = _predicts_poses(graph_path, nodes)
    _check_graph(graph_path, nodes, TRIED_SHAPE[1:])
    export = ModelExport(
        directory=directory,
        graph_path=graph_path,
        body_parts=body_parts,
        network=config["net_type"],
        stride_px=_positive(directory, config, "stride", 8.0),
        locref_stdev_px=_positive(directory, config, "locref_stdev", 7.2801),
        task=names["task"],
        experimenter=names["scorer"],
        date=names["date"],
        shuffle=int(names["shuffle"]),
        iterations=int(snapshot["iterations"]),
        predicts_poses=predicts_poses,
        depends_on_batch=any(node.is_training for node in nodes),
        sha256=sha256,
        geometry=find_geometry(nodes),
        nodes=nodes,
    )
    if not table_holds(export.scorer, body_parts):
        raise ModelError(
            directory / "pose_cfg.yaml",
            f"all_joints_names has {len(body_parts)} names of {sum(map(len, body_parts)):,} "
            "characters in all, more than the head of an .h5 table has room for (64 KiB with what "
            "belongs to them); shorten them",
        )
    return export


def _check_graph(
    graph_path: Path, nodes: Sequence[GraphNode], image_shape: tuple[int, ...]
) -> None:
    try:
        check_graph(nodes, image_shape)
    except GraphError as error:
        raise ModelError(graph_path, str(error)) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(path, f"cannot be read ({error.strerror})") from error


def _only_graph(directory: Path) -> Path:
    if not directory.exists():
        raise ModelError(directory, "there is no such folder")
    if not directory.is_dir():
        raise ModelError(directory, "is a file, not the folder of an export")
    # macOS puts a ._ file beside every file that it copies to a disk of another system.
    graphs = sorted(path for path in directory.glob("*.pb") if not path.name.startswith("._"))
    if len(graphs) != 1:
        found = f"found {short_list([path.name for path in graphs])}" if graphs else "found none"
        raise ModelError(directory, f"an export holds exactly one .pb file, {found}")
    return graphs[0]


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
    _check_network(path, config["net_type"])
    if config.get("num_outputs") not in (None, 0, 1) or config.get("partaffinityfield_predict"):
        raise ModelError(path, "is a multi-animal model; only single-animal models are supported")
    return config


def _check_network(path: Path, network: object) -> None:
    try:
        if isinstance(network, str) and _NETWORK.fullmatch(network):
            _scorer_network(network)
            return
    except (ValueError, IndexError, OverflowError):
        pass
    raise ModelError(path, f"net_type {short(network)} is no network of DeepLabCut's")


def _body_parts(directory: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """Check the names of the body parts."""
    path = directory / "pose_cfg.yaml"
    given = config["all_joints_names"]
    if not isinstance(given, list) or not given:
        raise ModelError(
            path, f"all_joints_names must list distinct body parts, got {short(given)}"
        )
    if len(given) > _MOST_BODY_PARTS:
        raise ModelError(
            path, f"all_joints_names must list at most {_MOST_BODY_PARTS}, got {len(given)}"
        )
    for name in given:
        if not isinstance(name, str):
            raise ModelError(path, f"all_joints_names must list names, got {short(name)}")
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise ModelError(
                path,
                f"all_joints_names must list names of 1 to {_LONGEST_NAME} printable characters, "
                f"got {short(name)}",
            )
    if len(set(given)) < len(given):
        raise ModelError(
            path, f"all_joints_names must list distinct body parts, got {short(given)}"
        )
    return tuple(given)


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
