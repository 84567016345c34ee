"""``output_metadata.json``: what the outputs are, and what makes them reproducible."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sinks.files import output_errors, whole_file


@dataclass(frozen=True)
class ModelDescription:
    """A DeepLabCut model as the reference tool's metadata tell of it."""

    task: str
    scorer: str
    date: str
    network: str
    body_parts: Sequence[str]
    snapshot: int

    def as_json(self) -> dict[str, object]:
        """Give the reference tool's keys."""
        return {
            "task": self.task,
            "scorer": self.scorer,
            "date": self.date,
            "multi_animal_project": False,
            "model_neural_net_type": self.network,
            "body_parts": ",".join(self.body_parts),
            "snapshot": self.snapshot,
        }


def describe_labelled_movie(
    *, width: int, height: int, frame_rate: float, num_frames: int
) -> dict[str, object]:
    """Give the reference tool's keys; the period is that of the rounded rate, as there."""
    sampling_rate = round(frame_rate, 2) or frame_rate  # 0.00 for slow time lapses
    return {
        "spacingInfo": {"numPixels": {"x": width, "y": height}},
        "timingInfo": {
            "cropped": [],
            "dropped": [],
            "numTimes": num_frames,
            "period": {"num": round(1e6 / sampling_rate), "den": 1_000_000},
            "sampling_rate": sampling_rate,
        },
    }


def write_metadata(
    path: Path,
    *,
    model: ModelDescription,
    outputs: Mapping[str, Mapping[str, object]],
    provenance: Mapping[str, object],
) -> None:
    """Write the metadata of a run that has ended.

    Parameters
    ----------
    path
        The .json file.
    model
        Stands with every output, as in the reference tool's file.
    outputs
        For the name of each output, without its suffix, what else is told of it.
    provenance
        What makes the run reproducible, under the key ``posestream``.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    content: dict[str, object] = {
        name: {**told, "dlc": model.as_json()} for name, told in outputs.items()
    }
    content["posestream"] = provenance
    with output_errors(path), whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
