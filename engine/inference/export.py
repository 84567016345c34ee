"""An exported model, read and checked but not loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.inference.graph.geometry import Geometry
from readers import InputError


class ModelError(InputError):
    """A model cannot be used; the message begins with its path."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem


@dataclass(frozen=True, kw_only=True)
class ModelExport:
    """An exported model of any format; each format may derive a class with more attributes.

    Attributes
    ----------
    format
        Name of its format; see `engine.inference.load.FORMATS`.
    directory, graph_path
        The folder, and the file in it that holds the network.
    body_parts
        Names in the model's order.
    network
        Name of the kind of network, such as ``resnet_50``.
    scorer
        DeepLabCut's name for the model, as it stands in its .h5 files.
    task, experimenter, date, iterations
        What names the model in DeepLabCut's files.
    depends_on_batch
        Whether a frame's prediction depends on the frames that it is batched with, as in the
        MobileNets that DeepLabCut 2.3 exports with batch normalisation in training mode.
    sha256
        Of the file that holds the network.
    geometry
        Strides of the network and what its cells see; None where they are not known.
    """

    format: str
    directory: Path
    graph_path: Path
    body_parts: tuple[str, ...]
    network: str
    scorer: str
    task: str
    experimenter: str
    date: str
    iterations: int
    depends_on_batch: bool
    sha256: str
    geometry: Geometry | None = None

    @property
    def details(self) -> dict[str, object]:
        """What else ``posestream inspect`` tells of it, as plain JSON values."""
        return {}
