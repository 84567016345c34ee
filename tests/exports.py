"""Folders that look like DeepLabCut exports: the built-in one changed, and tiny graphs."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from engine.builtin import MODEL_DIR

BUILT_IN_CONFIG: dict[str, Any] = yaml.safe_load((MODEL_DIR / "pose_cfg.yaml").read_text())
(BUILT_IN_GRAPH,) = MODEL_DIR.glob("*.pb")
ABSENT = object()
"""Stands for a setting that is to be left out."""


def export_folder(folder: Path, graph: Path | bytes = BUILT_IN_GRAPH, **settings: Any) -> Path:
    """Make an export of a graph and the built-in model's settings, with some of them changed."""
    folder.mkdir()
    if isinstance(graph, bytes):
        (folder / "snapshot-10.pb").write_bytes(graph)
    else:
        shutil.copy(graph, folder)
    config = {k: v for k, v in (BUILT_IN_CONFIG | settings).items() if v is not ABSENT}
    (folder / "pose_cfg.yaml").write_text(yaml.safe_dump(config))
    return folder


def names(count: int) -> list[str]:
    """Name as many body parts."""
    return [f"part{index}" for index in range(count)]


def score_map_graph(num_body_parts: int) -> bytes:
    """Build a graph of DeepLabCut's score-map flavour: random filters, 8 pixels a cell."""
    import tensorflow as tf

    random = np.random.default_rng(1)
    with tf.Graph().as_default() as graph:
        images = _input(tf)
        offsets = tf.nn.conv2d(
            images, _filters(random, 2 * num_body_parts), [1, 8, 8, 1], "SAME", name="conv"
        )
        scores = tf.nn.conv2d(images, _filters(random, num_body_parts), [1, 8, 8, 1], "SAME")
        tf.nn.bias_add(
            offsets,
            np.zeros(2 * num_body_parts, np.float32),
            name="pose/locref_pred/block4/BiasAdd",
        )
        tf.nn.sigmoid(scores, name="Sigmoid")
    return bytes(graph.as_graph_def().SerializeToString())


def pose_graph(num_body_parts: int) -> bytes:
    """Build a graph of DeepLabCut's pose flavour that gives every body part the same row."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        row = tf.tile(tf.reduce_mean(_input(tf), [1, 2]), [num_body_parts, 1])
        tf.concat([row[:, :2], row[:, 2:]], 1, name="concat_1")
    return bytes(graph.as_graph_def().SerializeToString())


def graph_of(operations: Sequence[tuple[str, str]], is_training: Sequence[str] = ()) -> bytes:
    """Serialise a graph of unconnected (name, operation) with TensorFlow's own classes."""
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef()
    for name, operation in operations:
        node = graph.node.add(name=name, op=operation)
        if operation.startswith("FusedBatchNorm"):
            node.attr["is_training"].b = name in is_training
    return bytes(graph.SerializeToString())


def _input(tf: Any) -> Any:
    return tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="Placeholder")


def _filters(random: np.random.Generator, count: int) -> Any:
    return (random.normal(size=(9, 9, 3, count)) / 3000).astype(np.float32)
