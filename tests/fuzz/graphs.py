"""A small network with every kind of layer that DeepLabCut's have, and ways to spoil its graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

import numpy as np

NUM_BODY_PARTS = 2


@cache
def small_network(predicts_poses: bool = True) -> bytes:
    """Build a graph of either of DeepLabCut's flavours, some 20 kB."""
    import tensorflow as tf

    random = np.random.default_rng(1)

    def weights(*shape: int) -> Any:
        return tf.identity(tf.constant(random.normal(size=shape).astype(np.float32) / 10))

    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="Placeholder")
        features = _features(tf, images, weights)
        with tf.name_scope("pose"):
            scores = _head(tf, features, weights, NUM_BODY_PARTS, "part_pred")
            offsets = _head(tf, features, weights, 2 * NUM_BODY_PARTS, "locref_pred")
        scores = tf.nn.sigmoid(scores, name="Sigmoid")
        if predicts_poses:
            _poses(tf, scores, offsets)
        definition = graph.as_graph_def()
    if not predicts_poses:
        outputs = ["Sigmoid", "pose/locref_pred/block4/BiasAdd"]
        definition = tf.compat.v1.graph_util.extract_sub_graph(definition, outputs)
    return bytes(definition.SerializeToString(deterministic=True))


def _features(tf: Any, images: Any, weights: Callable[..., Any]) -> Any:
    net = images - tf.constant([123.0, 117.0, 104.0], shape=[1, 1, 1, 3])
    net = net / tf.constant([0.2, 0.2, 0.2], shape=[1, 1, 3])
    net = tf.nn.conv2d(
        tf.pad(net, [[0, 0], [1, 1], [1, 1], [0, 0]]), weights(3, 3, 3, 4), 2, "VALID"
    )
    ones = tf.constant(np.ones(4, np.float32))
    net, *_ = tf.compat.v1.nn.fused_batch_norm(net, ones, ones, ones, ones, is_training=False)
    net = tf.nn.relu6(net)
    net = tf.nn.depthwise_conv2d(net, weights(3, 3, 4, 1), [1, 2, 2, 1], "SAME")
    net = tf.nn.max_pool2d(tf.nn.relu(net), 3, 2, "SAME")
    means = tf.reduce_mean(net, [1, 2], keepdims=True)
    weight = tf.nn.conv2d(means, weights(1, 1, 4, 4), 1, "SAME")
    net = net + tf.sigmoid(weight, name="squeezed") * net
    # A convolution with holes, as TensorFlow writes it where both sides are even.
    net = tf.compat.v1.space_to_batch_nd(net, [2, 2], [[2, 2], [2, 2]])
    net = tf.nn.conv2d(net, weights(3, 3, 4, 6), 1, "VALID")
    net = tf.compat.v1.batch_to_space_nd(net, [2, 2], [[0, 0], [0, 0]])
    return tf.nn.conv2d(net, weights(3, 3, 6, 6), 2, "SAME")


def _head(tf: Any, features: Any, weights: Callable[..., Any], channels: int, name: str) -> Any:
    shape = tf.shape(features)
    size = tf.stack([shape[0], shape[1] * 2, shape[2] * 2, channels])
    maps = tf.nn.conv2d_transpose(features, weights(3, 3, channels, 6), size, 2, "SAME")
    bias = tf.constant(np.zeros(channels, np.float32))
    return tf.nn.bias_add(maps, bias, name=f"{name}/block4/BiasAdd")


def _poses(tf: Any, scores: Any, offsets: Any) -> None:
    """Take the highest score of each map, and the offset that belongs to it."""
    shape = tf.shape(scores)
    offsets = tf.reshape(offsets, (shape[0], shape[1], shape[2], shape[3], 2))
    offsets = tf.transpose(offsets, [1, 2, 0, 3, 4])
    scores = tf.transpose(scores, [1, 2, 0, 3])
    shape = tf.shape(scores)
    offsets = tf.reshape(offsets, (shape[0] * shape[1], -1, 2))
    scores = tf.reshape(scores, (shape[0] * shape[1], -1))
    highest = tf.argmax(scores, 0)
    place = tf.unravel_index(highest, (tf.cast(shape[0], tf.int64), tf.cast(shape[1], tf.int64)))
    parts = tf.range(0, tf.cast(shape[2] * shape[3], tf.int64))
    index = tf.concat([tf.reshape(highest, (1, -1)), tf.reshape(parts, (1, -1))], 0, name="index")
    index = tf.transpose(index)
    offset = tf.gather(tf.gather_nd(offsets, index), [1, 0], axis=1)
    likelihood = tf.reshape(tf.gather_nd(scores, index), (-1, 1))
    pose = 8.0 * tf.cast(tf.transpose(place), tf.float32) + 4.0 + offset * 7.28
    tf.concat([pose, likelihood], 1, name="concat_1")


def spoiled(random: Random, data: bytes) -> bytes:
    """Change a graph in one to four places, in ways that a parser accepts."""
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef.FromString(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        random.choice(_CHANGES)(random, graph)
    return bytes(graph.SerializeToString())


OPERATIONS = (
    "ReadFile", "WriteFile", "PyFunc", "Print", "While", "If", "Switch", "Merge", "VarHandleOp",
    "StatefulPartitionedCall", "Relu", "Sigmoid", "Identity", "IdentityN", "Cast", "AddV2", "Sub",
    "Mul", "RealDiv", "FloorDiv", "FloorMod", "Maximum", "BiasAdd", "Conv2D", "MaxPool", "AvgPool",
    "DepthwiseConv2dNative", "Conv2DBackpropInput", "FusedBatchNormV3", "Mean", "Sum", "Prod",
    "ArgMax", "Shape", "Reshape", "Squeeze", "ExpandDims", "Transpose", "Pack", "ConcatV2",
    "StridedSlice", "GatherV2", "GatherNd", "Range", "UnravelIndex", "Pad", "SpaceToBatchND",
    "BatchToSpaceND", "ResizeBilinear", "Tile", "Fill", "Const", "Placeholder", "NoSuchOperation",
)  # fmt: skip
_NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    63,
    64,
    65,
    1000,
    10**6,
    2**31 - 1,
    2**62,
    -1,
    -2,
    -5,
    -(2**31),
)


_VALUES: dict[str, Sequence[Any]] = {
    "type": (1, 2, 3, 4, 7, 9, 10, 19, 20, 21, 101),
    "i": _NUMBERS,
    "s": (b"SAME", b"VALID", b"EXPLICIT", b"NCHW", b"NHWC", b"", b"x" * 999),
    "f": (0.0, -1.0, 1e38, float("nan"), float("inf")),
}


def _operation(random: Random, graph: Any) -> None:
    random.choice(graph.node).op = random.choice(OPERATIONS)


def _rewire(random: Random, graph: Any) -> None:
    node = random.choice(graph.node)
    source = random.choice(graph.node).name
    text = random.choice(
        (source, source, source, f"{source}:1", f"{source}:9999", f"^{source}", "none", "", ":")
    )
    if node.input and random.random() < 0.8:
        node.input[random.randrange(len(node.input))] = text
    else:
        node.input.append(text)


def _drop(random: Random, graph: Any) -> None:
    if random.random() < 0.5:
        del graph.node[random.randrange(len(graph.node))]
    else:
        node = random.choice(graph.node)
        if node.input:
            del node.input[random.randrange(len(node.input))]


def _repeat(random: Random, graph: Any) -> None:
    copy = graph.node.add()
    copy.CopyFrom(random.choice(graph.node))
    if random.random() < 0.5:
        copy.name += "_copy"


def _exchange(random: Random, graph: Any) -> None:
    first, second = random.choice(graph.node), random.choice(graph.node)
    first.name, second.name = second.name, first.name


def _attribute(random: Random, graph: Any) -> None:
    node = random.choice([node for node in graph.node if node.op != "Const"])
    if not node.attr:
        return
    name = random.choice(sorted(node.attr))
    attribute, kind = node.attr[name], node.attr[name].WhichOneof("value")
    if random.random() < 0.1:
        del node.attr[name]
    elif random.random() < 0.1:
        other = random.choice(graph.node)
        if other.attr:
            attribute.CopyFrom(other.attr[random.choice(sorted(other.attr))])
    elif kind == "b":
        attribute.b = not attribute.b
    elif kind == "list":
        _list(random, attribute.list)
    elif kind == "shape":
        attribute.shape.dim.add(size=random.choice(_NUMBERS))
    elif kind in _VALUES:
        setattr(attribute, kind, random.choice(_VALUES[kind]))


def _list(random: Random, values: Any) -> None:
    if values.i and random.random() < 0.7:
        values.i[random.randrange(len(values.i))] = random.choice(_NUMBERS)
    elif values.i and random.random() < 0.5:
        del values.i[random.randrange(len(values.i))]
    else:
        values.i.append(random.choice(_NUMBERS))


def _constant(random: Random, graph: Any) -> None:
    tensor = random.choice([node for node in graph.node if node.op == "Const"]).attr["value"].tensor
    choice = random.random()
    if choice < 0.3 and tensor.tensor_shape.dim:
        random.choice(tensor.tensor_shape.dim).size = random.choice(_NUMBERS)
    elif choice < 0.4:
        tensor.tensor_shape.dim.add(size=random.choice(_NUMBERS))
    elif choice < 0.5:
        tensor.dtype = random.choice((1, 2, 3, 4, 7, 9, 10, 19))
    elif choice < 0.6:
        tensor.tensor_content = tensor.tensor_content[: random.randrange(64)]
    else:
        _values(random, tensor)


def _values(random: Random, tensor: Any) -> None:
    """Change one of a constant's values, or all."""
    small = [number for number in _NUMBERS if abs(number) < 2**31]
    if tensor.int_val:
        tensor.int_val[random.randrange(len(tensor.int_val))] = random.choice(small)
    elif tensor.int64_val:
        tensor.int64_val[random.randrange(len(tensor.int64_val))] = random.choice(_NUMBERS)
    elif tensor.float_val:
        tensor.float_val[0] = random.choice((0.0, -1.0, 1e38, float("nan"), float("inf")))
    elif tensor.dtype == 3 and len(tensor.tensor_content) >= 4:
        values = np.frombuffer(tensor.tensor_content, np.int32).copy()
        values[random.randrange(len(values))] = random.choice(small)
        tensor.tensor_content = values.tobytes()
    elif tensor.tensor_content:
        tensor.tensor_content = random.randbytes(len(tensor.tensor_content))


def _extras(random: Random, graph: Any) -> None:
    if random.random() < 0.5:
        graph.library.function.add().signature.name = "f"
    else:
        graph.versions.min_consumer = random.choice((0, 1, 10**6))


_CHANGES: tuple[Callable[[Random, Any], None], ...] = (
    _operation, _rewire, _rewire, _drop, _repeat, _exchange, _attribute, _attribute, _attribute,
    _constant, _constant, _constant, _constant, _extras,
)  # fmt: skip
