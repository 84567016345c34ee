"""What an export's folder says, and what is wrong with folders that are none."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from engine.builtin import MODEL_DIR
from engine.inference import ModelError, read_export
from engine.synthetic import BODY_PARTS
from tests.exports import ABSENT, BUILT_IN_GRAPH, export_folder, graph_of, names
from tests.shared import MODELS, needs_shared


def problem(folder: Path) -> str:
    with pytest.raises(ModelError) as raised:
        read_export(folder)
    message = str(raised.value)
    assert message.startswith(str(folder))
    assert "\n" not in message
    return message


def test_the_built_in_model() -> None:
    export = read_export(MODEL_DIR)

    assert export.body_parts == tuple(BODY_PARTS)
    assert export.network == "mobilenet_v2_0.35"
    assert (export.stride_px, export.locref_stdev_px) == (8.0, 7.2801)
    assert export.predicts_poses
    assert not export.depends_on_batch
    assert export.sha256 == hashlib.sha256(BUILT_IN_GRAPH.read_bytes()).hexdigest()
    assert re.fullmatch(
        r"DLC_mobnet_35_BottomViewSynthetic[A-Z][a-z]{2}\d+shuffle1_\d+", export.scorer
    )


@needs_shared
@pytest.mark.parametrize(
    ("name", "predicts_poses", "depends_on_batch"),
    [
        ("openfield-mobilenet", True, False),
        ("openfield-mobilenet-scoremaps", False, False),
        ("openfield-mobilenet-batch-statistics", True, True),
    ],
)
def test_real_exports(name: str, predicts_poses: bool, depends_on_batch: bool) -> None:
    export = read_export(MODELS / name)

    assert export.body_parts == ("snout", "leftear", "rightear", "tailbase")
    assert export.scorer == "DLC_mobnet_35_openfieldOct30shuffle1_3000"
    assert export.predicts_poses == predicts_poses
    assert export.depends_on_batch == depends_on_batch


# As deeplabcut.utils.auxiliaryfunctions.get_scorer_name 2.3.11 shortens them.
@pytest.mark.parametrize(
    ("network", "in_scorer"),
    [
        ("resnet_50", "resnet50"),
        ("resnet_152", "resnet152"),
        ("mobilenet_v2_1.0", "mobnet_100"),
        ("mobilenet_v2_0.75", "mobnet_75"),
        ("efficientnet-b3", "effnet_b3"),
    ],
)
def test_scorer_by_network(tmp_path: Path, network: str, in_scorer: str) -> None:
    dataset = "iteration-0/UnaugmentedDataSet_my task 2Jan5/my task 2_Jo-Ann95shuffle3.mat"
    export = read_export(export_folder(tmp_path / "m", net_type=network, dataset=dataset))

    assert (export.task, export.experimenter, export.date) == ("my task 2", "Jo-Ann", "Jan5")
    assert export.scorer == f"DLC_{in_scorer}_my task 2Jan5shuffle3_{export.iterations}"


def test_settings_that_deeplabcut_leaves_out_have_its_defaults(tmp_path: Path) -> None:
    export = read_export(export_folder(tmp_path / "m", stride=ABSENT, locref_stdev=ABSENT))

    assert (export.stride_px, export.locref_stdev_px) == (8.0, 7.2801)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"all_joints_names": ABSENT}, "lacks 'all_joints_names'"),
        ({"net_type": ABSENT}, "lacks 'net_type'"),
        ({"dataset": ABSENT}, "lacks 'dataset'"),
        ({"all_joints_names": []}, "must list distinct body parts, got []"),
        ({"all_joints_names": "nose"}, "must list distinct body parts, got 'nose'"),
        ({"all_joints_names": ["nose", "nose"]}, "must list distinct body parts"),
        ({"net_type": "mobilenet"}, "net_type 'mobilenet' is no network"),
        ({"net_type": "efficientnet"}, "net_type 'efficientnet' is no network"),
        ({"dataset": "mice.mat"}, "'mice.mat' does not name a DeepLabCut training set"),
        ({"stride": "eight"}, "stride 'eight': must be a number above 0"),
        ({"stride": 0}, "stride 0: must be a number above 0"),
        ({"locref_stdev": float("nan")}, "locref_stdev nan: must be a number above 0"),
        ({"num_outputs": 2}, "multi-animal"),
        ({"partaffinityfield_predict": True}, "multi-animal"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, settings: dict[str, Any], rule: str) -> None:
    message = problem(export_folder(tmp_path / "m", **settings))
    assert "pose_cfg.yaml" in message
    assert rule in message


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "a: b: c", "{", "day: 2020-13-45", b"\xff\xfe\x00", "[" * 5000]
)
def test_settings_that_are_no_settings(tmp_path: Path, text: str | bytes) -> None:
    folder = export_folder(tmp_path / "m")
    (folder / "pose_cfg.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert "pose_cfg.yaml" in problem(folder)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no such folder" in problem(tmp_path / "none")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is a file, not the folder of an export" in problem(tmp_path / "file")


def test_a_name_that_no_folder_can_have(tmp_path: Path) -> None:
    assert "cannot be read" in problem(tmp_path / ("m" * 300))


def test_a_folder_without_a_graph(tmp_path: Path) -> None:
    folder = export_folder(tmp_path / "m")
    (folder / BUILT_IN_GRAPH.name).unlink()
    assert "exactly one .pb file, found none" in problem(folder)


def test_a_folder_with_two_graphs(tmp_path: Path) -> None:
    folder = export_folder(tmp_path / "m")
    (folder / "snapshot-1.pb").touch()
    message = problem(folder)
    assert f"exactly one .pb file, found snapshot-1.pb, {BUILT_IN_GRAPH.name}" in message


def test_a_folder_without_settings(tmp_path: Path) -> None:
    folder = export_folder(tmp_path / "m")
    (folder / "pose_cfg.yaml").unlink()
    assert "holds a pose_cfg.yaml, found none" in problem(folder)


def test_a_graph_of_another_name(tmp_path: Path) -> None:
    folder = export_folder(tmp_path / "m")
    (folder / BUILT_IN_GRAPH.name).rename(folder / "frozen.pb")
    assert "frozen.pb: the graph must be named snapshot-<iterations>.pb" in problem(folder)


def test_a_folder_named_like_a_graph(tmp_path: Path) -> None:
    folder = export_folder(tmp_path / "m")
    (folder / BUILT_IN_GRAPH.name).unlink()
    (folder / BUILT_IN_GRAPH.name).mkdir()
    assert f"{BUILT_IN_GRAPH.name}: cannot be read" in problem(folder)


@pytest.mark.parametrize(
    ("graph", "rule"),
    [
        (b"version https://git-lfs.github.com/spec/v1", "is not a frozen TensorFlow graph"),
        (b"", "the graph has no input"),
        (graph_of([("a", "Const"), ("concat_1", "ConcatV2")]), "the graph has no input"),
        (graph_of([("Placeholder", "Placeholder"), ("b", "Relu")]), "ends neither in poses"),
        (graph_of([("Placeholder", "Placeholder"), ("Sigmoid", "Sigmoid")]), "nor in score maps"),
    ],
    ids=["text", "empty", "no input", "no outputs", "no locations"],
)
def test_a_graph_that_is_no_model(tmp_path: Path, graph: bytes, rule: str) -> None:
    message = problem(export_folder(tmp_path / "m", graph, all_joints_names=names(2)))
    assert "snapshot-10.pb" in message
    assert rule in message
