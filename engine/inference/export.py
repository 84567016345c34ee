"""A model that DeepLabCut exported: what its folder says about it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from engine.inference.graph import GraphNode, read_graph
from readers import InputError

_DATASET = re.compile(
    r"UnaugmentedDataSet_(?P<task>.+?)(?P<date>[A-Z][a-z]{2}\d{1,2})[/\\]"
    r"(?P=task)_(?P<scorer>.+?)(?P<train_percent>\d+)shuffle(?P<shuffle>\d+)"
)
_SNAPSHOT = re.compile(r"snapshot-(?P<iterations>\d+)\.pb")


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

    @property
    def scorer(self) -> str:
        """DeepLabCut's name for the model, as it stands in its .h5 files."""
        network = _scorer_network(self.network)
        return f"DLC_{network}_{self.task}{self.date}shuffle{self.shuffle}_{self.iterations}"


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
        a single-animal DeepLabCut model for TensorFlow.
    """
    with _reading(directory):
        graph_path = _only_graph(directory)
    snapshot = _SNAPSHOT.fullmatch(graph_path.name)
    if snapshot is None:
        raise ModelError(graph_path, "the graph must be named snapshot-<iterations>.pb")
    config = _read_config(directory)
    names = _names(directory, config)
    with _reading(graph_path):
        data = graph_path.read_bytes()
    try:
        nodes = read_graph(data)
    except ValueError as error:
        raise ModelError(graph_path, "is not a frozen TensorFlow graph") from error
    return ModelExport(
        directory=directory,
        graph_path=graph_path,
        body_parts=tuple(config["all_joints_names"]),
        network=str(config["net_type"]),
        stride_px=_positive(directory, config, "stride", 8.0),
        locref_stdev_px=_positive(directory, config, "locref_stdev", 7.2801),
        task=names["task"],
        experimenter=names["scorer"],
        date=names["date"],
        shuffle=int(names["shuffle"]),
        iterations=int(snapshot["iterations"]),
        predicts_poses=_predicts_poses(graph_path, nodes),
        depends_on_batch=any(node.is_training for node in nodes),
        sha256=hashlib.sha256(data).hexdigest(),
    )


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
    graphs = sorted(directory.glob("*.pb"))
    if len(graphs) != 1:
        found = f"found {', '.join(path.name for path in graphs)}" if graphs else "found none"
        raise ModelError(directory, f"an export holds exactly one .pb file, {found}")
    return graphs[0]


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / "pose_cfg.yaml"
    if not path.is_file():
        raise ModelError(directory, "an export holds a pose_cfg.yaml, found none")
    try:
        with _reading(path):
            config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except ModelError:
        raise
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ModelError(path, f"cannot be read ({' '.join(str(error).split())})") from error
    if not isinstance(config, dict):
        raise ModelError(path, "must hold settings of the form 'name: value'")
    for key in ("all_joints_names", "net_type", "dataset"):
        if key not in config:
            raise ModelError(path, f"lacks '{key}'; exports of DeepLabCut 2 have it")
    body_parts = config["all_joints_names"]
    if (
        not isinstance(body_parts, list)
        or not body_parts
        or len(set(map(str, body_parts))) < len(body_parts)
    ):
        raise ModelError(
            path, f"all_joints_names must list distinct body parts, got {body_parts!r}"
        )
    try:
        _scorer_network(str(config["net_type"]))
    except (ValueError, IndexError) as error:
        raise ModelError(
            path, f"net_type {config['net_type']!r} is no network of DeepLabCut's"
        ) from error
    if config.get("num_outputs") not in (None, 0, 1) or config.get("partaffinityfield_predict"):
        raise ModelError(path, "is a multi-animal model; only single-animal models are supported")
    return {**config, "all_joints_names": [str(name) for name in body_parts]}


def _positive(directory: Path, config: dict[str, Any], key: str, default: float) -> float:
    value = config.get(key, default)
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ModelError(directory / "pose_cfg.yaml", f"{key} {value!r}: must be a number above 0")
    return float(value)


def _names(directory: Path, config: dict[str, Any]) -> re.Match[str]:
    match = _DATASET.search(str(config["dataset"]))
    if match is None:
        raise ModelError(
            directory / "pose_cfg.yaml",
            f"dataset {config['dataset']!r} does not name a DeepLabCut training set "
            "(…/UnaugmentedDataSet_<task><date>/<task>_<scorer><percent>shuffle<n>.mat)",
        )
    return match


def _predicts_poses(graph_path: Path, nodes: list[GraphNode]) -> bool:
    """Tell which of DeepLabCut's two forms of outputs the graph has."""
    operations = {node.name: node.operation for node in nodes}
    if "Placeholder" not in operations.values():
        raise ModelError(graph_path, "is no DeepLabCut export: the graph has no input")
    if nodes[-1].name == "concat_1":
        return True
    if operations.get("Sigmoid") == "Sigmoid" and "pose/locref_pred/block4/BiasAdd" in operations:
        return False
    raise ModelError(
        graph_path,
        "is no DeepLabCut export: the graph ends neither in poses (concat_1) nor in score maps "
        "(Sigmoid and pose/locref_pred/block4/BiasAdd)",
    )
