"""What an export's folder says, and what is wrong with folders that are none."""

import hashlib
import io
import os
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthetic import BODY_PARTS
from engine.builtin import MODEL_DIR, MODEL_NUM_BODY_PARTS, MODEL_SHA256
from engine.inference import ModelError, read_export
from engine.inference.deeplabcut import read
from tests.exports import ABSENT, BUILT_IN_GRAPH, export_folder, graph_of, names
from tests.shared import MODELS, needs_shared


def problem(folder: Path) -> str:
    with pytest.raises(ModelError) as raised:
        read_export(folder)
    message = str(raised.value)
    assert message.startswith(str(folder))
    assert message.isprintable()
    return message


def replace_graph(folder: Path) -> Path:
    """Make an export whose graph is yet to be made."""
    (export_folder(folder) / BUILT_IN_GRAPH.name).unlink()
    return folder / "snapshot-10.pb"


def test_the_built_in_model() -> None:
    export = read(MODEL_DIR)

    assert read_export(MODEL_DIR) == export
    assert (export.sha256, len(export.body_parts)) == (MODEL_SHA256, MODEL_NUM_BODY_PARTS)
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
    export = read(MODELS / name)

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
    export = read(export_folder(tmp_path / "m", stride=ABSENT, locref_stdev=ABSENT))

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
        ({"all_joints_names": names(1001)}, "must list at most 1000, got 1001"),
        (
            {"all_joints_names": [f"{number:0100}" for number in range(600)]},
            "600 body parts with names of 60,000 characters in all, more than the head of an .h5",
        ),
        ({"all_joints_names": ["nose", {"a": "b"}]}, "must list names, got {'a': 'b'}"),
        ({"all_joints_names": ["nose", ["a"]]}, "must list names, got ['a']"),
        ({"all_joints_names": [1, "1"]}, "must list distinct body parts"),
        ({"all_joints_names": ["nose", ""]}, "1 to 100 printable characters, got ''"),
        ({"all_joints_names": ["a\nb"]}, r"1 to 100 printable characters, got 'a\nb'"),
        ({"all_joints_names": ["\x1b[2J"]}, r"1 to 100 printable characters, got '\x1b[2J'"),
        ({"all_joints_names": ["x" * 101]}, "1 to 100 printable characters, got 'xxxx"),
        ({"net_type": ["resnet_50"]}, "net_type ['resnet_50'] is no network"),
        ({"net_type": "mobilenet_v2_inf"}, "net_type 'mobilenet_v2_inf' is no network"),
        ({"net_type": "../resnet"}, "net_type '../resnet' is no network"),
        ({"net_type": "resnet\n50"}, r"net_type 'resnet\n50' is no network"),
        ({"net_type": "r" * 9000}, "is no network"),
        ({"dataset": 5}, "dataset 5 does not name a DeepLabCut training set"),
        ({"dataset": "UnaugmentedDataSet_aJan1/a_b95shuffle" + "1" * 5000}, "does not name"),
        ({"dataset": "UnaugmentedDataSet_a/../bJan1/a/../b_c95shuffle1"}, "does not name"),
        ({"dataset": "UnaugmentedDataSet_a\x1bJan1/a\x1b_c95shuffle1"}, "does not name"),
        ({"dataset": "UnaugmentedDataSet_aJan1/a_1" * 300}, "does not name"),
        ({"stride": 10**400}, "must be a number above 0, at most 10000"),
        ({"stride": True}, "stride True: must be a number above 0"),
        ({"stride": float("inf")}, "stride inf: must be a number above 0"),
        ({"stride": "eight"}, "stride 'eight': must be a number above 0"),
        ({"stride": 0}, "stride 0: must be a number above 0"),
        ({"locref_stdev": float("nan")}, "locref_stdev nan: must be a number above 0"),
        ({"num_outputs": 2}, "multi-animal"),
        ({"partaffinityfield_predict": True}, "multi-animal"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, settings: dict[str, Any], rule: str) -> None:
    message = problem(export_folder(tmp_path / "m", **settings))
    assert "pose_cfg.yaml" in message or "body parts with names" in message
    assert rule in message
    assert len(message) < 600


def test_body_parts_have_the_names_that_the_file_writes(tmp_path: Path) -> None:
    folder = export_folder(tmp_path / "m", all_joints_names=ABSENT)
    with (folder / "pose_cfg.yaml").open("a") as settings:
        settings.write("all_joints_names:\n- yes\n- no\n- on\n- 01\n- 2.50\n- 'a, b'\n- ~\n")

    assert read_export(folder).body_parts == ("yes", "no", "on", "01", "2.50", "a, b", "~")


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


def test_what_macos_puts_beside_a_graph_is_passed_over(tmp_path: Path) -> None:
    folder = export_folder(tmp_path / "m")
    for name in (BUILT_IN_GRAPH.name, "pose_cfg.yaml"):
        (folder / f"._{name}").write_bytes(b"\x00\x05\x16\x07" + bytes(4092))

    assert read_export(folder).graph_path == folder / BUILT_IN_GRAPH.name


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


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("snapshot-10.pb", BUILT_IN_GRAPH.read_bytes())
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        zipped(),
        b"node { name: 'Placeholder' }",
        BUILT_IN_GRAPH.read_bytes()[:-1],
        BUILT_IN_GRAPH.read_bytes()[:1000],
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x0a" + b"\xff" * 100,
        b"\x0a\x02\xff\xff",
        b"\0" * 1000,
        b"\xff" * 1000,
    ],
    ids=["zip", "text", "cut off", "cut off early", "huge", "varint", "node", "zeros", "ones"],
)
def test_a_file_that_is_no_graph(tmp_path: Path, data: bytes) -> None:
    path = replace_graph(tmp_path / "m")
    path.write_bytes(data)
    assert f"{path}: is not a frozen TensorFlow graph" in problem(tmp_path / "m")


def test_a_file_larger_than_any_graph_is_not_read(tmp_path: Path) -> None:
    path = replace_graph(tmp_path / "m")
    with path.open("wb") as file:
        file.truncate(5 * 2**40)
    assert "has 5497558138880 bytes; an export has at most 320 MiB" in problem(tmp_path / "m")


def test_a_graph_is_read_in_memory_that_does_not_grow_with_it(tmp_path: Path) -> None:
    path = replace_graph(tmp_path / "m")
    note = b"\x2a" + b"\x80\x80\x80\x08" + bytes(2**24)  # a field of 16 MiB that nobody needs
    path.write_bytes(BUILT_IN_GRAPH.read_bytes() + 8 * note)
    tracemalloc.start()
    try:
        export = read_export(tmp_path / "m")
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 40 * 2**20
    assert export.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["snapshot-10.pb", "pose_cfg.yaml"])
def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path, name: str) -> None:
    replace_graph(tmp_path / "m").write_bytes(BUILT_IN_GRAPH.read_bytes())
    path = tmp_path / "m" / name
    path.unlink()
    os.mkfifo(path)
    assert "not a regular file" in problem(tmp_path / "m")
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "not a regular file" in problem(tmp_path / "m")
    path.unlink()
    path.symlink_to(path)
    assert f"{path}: cannot be read (Too many levels of symbolic links)" in problem(tmp_path / "m")


def test_a_graph_must_begin_with_its_only_input(tmp_path: Path) -> None:
    two = [("Placeholder", "Placeholder"), ("b", "Placeholder"), ("concat_1", "ConcatV2")]
    last = [("a", "Const"), ("Placeholder", "Placeholder"), ("concat_1", "ConcatV2")]
    for number, nodes in enumerate((two, last)):
        folder = export_folder(tmp_path / str(number), graph_of(nodes))
        assert "must begin with its only input" in problem(folder)


def test_a_folder_whose_name_has_line_breaks(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as raised:
        read_export(tmp_path / "a\nb\x1b[2J")
    assert str(raised.value) == rf"{tmp_path}/a\nb\x1b[2J: there is no such folder"
