"""``output_metadata.json``: what the outputs are, and what makes them reproducible.

Descriptions have the keys of the reference tool's file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sinks.files import output_errors, whole_file


def describe_model(
    *, task: str, scorer: str, date: str, network: str, body_parts: Sequence[str], snapshot: int
) -> dict[str, object]:
    """Describe a DeepLabCut model."""
    return {
        "task": task,
        "scorer": scorer,
        "date": date,
        "multi_animal_project": False,
        "model_neural_net_type": network,
        "body_parts": ",".join(body_parts),
        "snapshot": snapshot,
    }


def describe_labelled_movie(
    *, width: int, height: int, frame_rate: float, num_frames: int
) -> dict[str, object]:
    """Describe a labelled movie; the period is the rounded rate's, as in the reference tool."""
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
    model: Mapping[str, object],
    outputs: Mapping[str, Mapping[str, object]],
    provenance: Mapping[str, object],
) -> None:
    """Write the metadata of a run that has ended; `OutputError` if that cannot be.

    `outputs` has what is told of each output, by its name without suffix; the model is added to
    each. What makes the run reproducible is under the key ``posestream``.
    """
    content: dict[str, object] = {name: {**told, "dlc": model} for name, told in outputs.items()}
    content["posestream"] = provenance
    with output_errors(path), whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
