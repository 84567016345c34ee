"""The metadata has the reference tool's keys, and the project's own beside them."""

import json
from pathlib import Path

import pytest

from sinks import describe_labelled_movie, describe_model, write_metadata

MODEL = describe_model(
    task="Task",
    scorer="Ann",
    date="Oct30",
    network="resnet_50",
    body_parts=["nose", "tail"],
    snapshot=1000,
)


def labelled_movie(frame_rate: float) -> dict[str, object]:
    return describe_labelled_movie(width=6, height=4, frame_rate=frame_rate, num_frames=20)


def timing(frame_rate: float) -> dict[str, object]:
    timing_info = labelled_movie(frame_rate)["timingInfo"]
    assert isinstance(timing_info, dict)
    return timing_info


def test_every_output_is_described_as_in_the_reference(tmp_path: Path) -> None:
    write_metadata(
        tmp_path / "m.json",
        model=MODEL,
        outputs={"dlc_annotations": {}, "dlc_labeled_movie.1": labelled_movie(20.0)},
        provenance={"version": "1"},
    )

    content = json.loads((tmp_path / "m.json").read_text())
    dlc = {
        "task": "Task",
        "scorer": "Ann",
        "date": "Oct30",
        "multi_animal_project": False,
        "model_neural_net_type": "resnet_50",
        "body_parts": "nose,tail",
        "snapshot": 1000,
    }
    assert list(content) == ["dlc_annotations", "dlc_labeled_movie.1", "posestream"]
    assert content["dlc_annotations"] == {"dlc": dlc}
    assert content["dlc_labeled_movie.1"]["dlc"] == dlc
    assert content["dlc_labeled_movie.1"]["spacingInfo"] == {"numPixels": {"x": 6, "y": 4}}
    assert content["posestream"] == {"version": "1"}


@pytest.mark.parametrize(
    ("frame_rate", "sampling_rate", "period"),
    [
        (20.0, 20.0, 50000),
        (1e6 / 33333, 30.0, 33333),
        (36044000000 / 1803972007, 19.98, 50050),
        (30000 / 1001, 29.97, 33367),
    ],
)
def test_rate_and_period_are_rounded_as_in_the_reference(
    frame_rate: float, sampling_rate: float, period: int
) -> None:
    assert timing(frame_rate)["sampling_rate"] == sampling_rate
    assert timing(frame_rate)["period"] == {"num": period, "den": 1_000_000}


def test_a_slow_time_lapse_has_a_rate_too() -> None:
    assert timing(1 / 600)["period"] == {"num": 600_000_000, "den": 1_000_000}
