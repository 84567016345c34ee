"""Which graphs are given to a runtime; TensorFlow builds what is let through, and is the oracle."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.inference.checking import TRIED_SHAPE, check_graph
from engine.inference.checking.check import follow
from engine.inference.graph import read_graph
from engine.inference.graph_error import GraphError
from tests.exports import BUILT_IN_GRAPH
from tests.fuzz.graphs import small_network
from tests.shared import MODELS, needs_shared


def problem(data: bytes) -> str:
    with pytest.raises(GraphError) as raised:
        check_graph(read_graph(io.BytesIO(data)), TRIED_SHAPE[1:])
    message = str(raised.value)
    assert message.isprintable()
    assert len(message) < 500
    return message


def check(data: bytes, height: int = 64, width: int = 64) -> None:
    check_graph(read_graph(io.BytesIO(data)), (height, width, 3))


def changed(change: Callable[[Any], None], predicts_poses: bool = True) -> bytes:
    """Build the small network's graph, changed."""
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef.FromString(small_network(predicts_poses))
    change(graph)
    return bytes(graph.SerializeToString())


def node(graph: Any, operation: str) -> Any:
    return next(node for node in graph.node if node.op == operation)


def constant(graph: Any) -> Any:
    """Find the first weights: 3 x 3 x 3 x 4 of float32."""
    return next(
        node.attr["value"].tensor
        for node in graph.node
        if node.op == "Const"
        and len(node.attr["value"].tensor.tensor_shape.dim) == 4
        and node.attr["value"].tensor.tensor_shape.dim[3].size == 4
    )


@pytest.mark.parametrize("predicts_poses", [True, False])
def test_deeplabcuts_layers_are_let_through(predicts_poses: bool) -> None:
    check(small_network(predicts_poses))
    check(BUILT_IN_GRAPH.read_bytes())


@needs_shared
def test_real_exports_are_let_through() -> None:
    for path in MODELS.glob("*/*.pb"):
        check(path.read_bytes())


@pytest.mark.parametrize("graph", [small_network, BUILT_IN_GRAPH.read_bytes])
def test_shapes_and_types_are_those_that_tensorflow_finds(graph: Callable[[], bytes]) -> None:
    import tensorflow as tf

    data = graph()
    ours = follow(read_graph(io.BytesIO(data)))
    with tf.Graph().as_default() as graph_of_theirs:
        image = tf.constant(np.ones(TRIED_SHAPE, np.float32), name="picture")
        definition = tf.compat.v1.GraphDef.FromString(data)
        tf.import_graph_def(definition, {"Placeholder": image}, name="")
        tensors = {
            (node.name, index): output
            for node in graph_of_theirs.get_operations()
            if node.name in ours and node.type != "Placeholder"
            for index, output in enumerate(node.outputs)
            if index < 1 or not node.type.startswith("FusedBatchNorm")
        }
        with tf.compat.v1.Session() as session:
            theirs = session.run(tensors)
    assert len(theirs) > 50
    for (name, index), value in theirs.items():
        tensor = ours[name][index]
        assert (tensor.shape, tensor.dtype) == (value.shape, value.dtype), name
        if tensor.values is not None:
            np.testing.assert_array_equal(tensor.values, value, err_msg=name)


def rename_operation(name: str) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        node(graph, "Relu6").op = name

    return change


@pytest.mark.parametrize(
    "operation",
    [
        "ReadFile",
        "WriteFile",
        "PyFunc",
        "Print",
        "While",
        "Switch",
        "VarHandleOp",
        "Save",
        "Relu\n6",
    ],
)
def test_operations_of_other_kinds_are_refused(operation: str) -> None:
    message = problem(changed(rename_operation(operation)))
    assert f"the operation {operation!r} cannot be run" in message


def set_attribute(operation: str, name: str, **value: Any) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        from tensorflow.core.framework.attr_value_pb2 import AttrValue

        node(graph, operation).attr[name].CopyFrom(AttrValue(**value))

    return change


def numbers(*values: int) -> Any:
    from tensorflow.core.framework.attr_value_pb2 import AttrValue

    return AttrValue.ListValue(i=values)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda g: set_attribute("Conv2D", "strides", s=b"2")(g), "attribute 'strides'"),
        (
            lambda g: set_attribute("Conv2D", "strides", list=numbers(1, 0, 0, 1))(g),
            "needs strides",
        ),
        (lambda g: set_attribute("Conv2D", "strides", list=numbers(1, 2))(g), "needs strides"),
        (lambda g: set_attribute("Conv2D", "dilations", list=numbers(1, -1, 1, 1))(g), "dilations"),
        (lambda g: set_attribute("Conv2D", "padding", s=b"EXPLICIT")(g), "padded SAME or VALID"),
        (lambda g: set_attribute("Conv2D", "data_format", s=b"NCHW")(g), "format NHWC"),
        (lambda g: set_attribute("Conv2D", "T", type=7)(g), "attribute 'T'"),
        (lambda g: set_attribute("Conv2D", "T", type=9)(g), "takes another type than float32"),
        (lambda g: set_attribute("Conv2D", "new\n", i=1)(g), r"attribute 'new\n'"),
        (lambda g: set_attribute("Pack", "N", i=2**40)(g), "attribute 'N'"),
        (lambda g: set_attribute("Pack", "N", i=-1)(g), "not as many as it takes"),
        (lambda g: set_attribute("Pack", "axis", i=9)(g), "has an axis 9"),
        (
            lambda g: set_attribute("MaxPool", "ksize", list=numbers(1, 9999, 1, 1))(g),
            "needs ksize",
        ),
        (lambda g: set_attribute("Relu6", "f", func={"name": "g"})(g), "attribute 'f'"),
        (lambda g: set_attribute("Placeholder", "dtype", type=7)(g), "attribute 'dtype'"),
        (lambda g: set_attribute("Placeholder", "dtype", type=3)(g), "another type than float32"),
    ],
    ids=range(16),
)
def test_attributes_that_lie(change: Callable[[Any], None], rule: str) -> None:
    assert rule in problem(changed(change))


def test_notes_that_tensorflow_leaves_are_let_through() -> None:
    def change(graph: Any) -> None:
        # As custom gradients leave it in DeepLabCut's EfficientNets.
        set_attribute("Relu6", "_gradient_op_type", s=b"CustomGradient-1")(graph)
        node(graph, "Relu6").attr["_class"].list.s.append(b"loc:@Placeholder")

    check(changed(change))


def rewire(text: str) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        node(graph, "Relu6").input[0] = text

    return change


def add_twin(graph: Any) -> None:
    graph.node.add().CopyFrom(graph.node[-2])


def close_circle(graph: Any) -> None:
    node(graph, "Relu6").input[0] = node(graph, "MaxPool").name


def drop_input(graph: Any) -> None:
    del node(graph, "Conv2D").input[1]


def rename(graph: Any) -> None:
    graph.node[-1].name = "a\nb"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (rewire("none"), "takes 'none', which is no output of a node"),
        (rewire("a" * 10**6), "which is no output of a node"),
        (rewire("Placeholder:1"), "takes output 1, which is not there"),
        (rewire("Placeholder:99999"), "which is no output of a node"),
        (rewire("^Placeholder"), "not as many as it takes"),
        (rewire("concat_1/axis"), "takes another type than int32"),
        (close_circle, "takes its own output, over others or directly"),
        (add_twin, "has two nodes named 'concat_1'"),
        (drop_input, "not as many as it takes"),
        (rename, r"a node of the impossible name 'a\nb'"),
    ],
    ids=range(10),
)
def test_wires_that_lead_nowhere(change: Callable[[Any], None], rule: str) -> None:
    assert rule in problem(changed(change))


def claim_shape(*shape: int) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        tensor = constant(graph)
        del tensor.tensor_shape.dim[:]
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)

    return change


def repeat_last_value(graph: Any) -> None:
    claim_shape(10**9)(graph)
    tensor = constant_of_shape(graph, (10**9,))
    tensor.tensor_content = b""
    tensor.float_val[:] = [1]


def constant_of_shape(graph: Any, shape: tuple[int, ...]) -> Any:
    return next(
        node.attr["value"].tensor
        for node in graph.node
        if tuple(d.size for d in node.attr["value"].tensor.tensor_shape.dim) == shape
    )


def cut_data(graph: Any) -> None:
    tensor = constant(graph)
    tensor.tensor_content = tensor.tensor_content[:-1]


def change_type(number: int) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        constant(graph).dtype = number

    return change


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (claim_shape(10**9, 10**9), "claims the shape (1000000000, 1000000000), more than 64 MiB"),
        (claim_shape(2**62, 4), "more than 64 MiB"),
        (
            claim_shape(3, 3, 3, 5),
            "claims the shape (3, 3, 3, 5) of float32, its data are of anoth",
        ),
        (claim_shape(3, 3, -3, -4), "impossible shape (3, 3, -3, -4)"),
        (claim_shape(*[1] * 1000), "impossible shape (1, 1, 1, 1, 1, 1, ...)"),
        (claim_shape(3, 3, 4, 3), "as many channels as its weights have"),
        (claim_shape(108), "takes 4 dimensions as input 1"),
        (repeat_last_value, "more than 64 MiB"),
        (cut_data, "its data are of another size"),
        (change_type(7), "has data of type 7, no numbers"),
        (change_type(3), "lacks a value of its type"),
    ],
    ids=range(11),
)
def test_constants_that_lie(change: Callable[[Any], None], rule: str) -> None:
    assert rule in problem(changed(change))


def test_functions_are_refused() -> None:
    def change(graph: Any) -> None:
        graph.library.function.add().signature.name = "f"

    assert "holds functions of its own" in problem(changed(change))


def bomb(build: Callable[[Any, Any], Any]) -> bytes:
    """Build a small graph that takes much memory or time."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        build(tf, tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], "Placeholder"))
    return bytes(graph.as_graph_def().SerializeToString())


def doubling(tf: Any, image: Any) -> None:
    for _ in range(40):
        image = tf.concat([image, image], 1)


def huge_tile(tf: Any, image: Any) -> None:
    tf.tile(image, [1, 30_000, 30_000, 1])


def huge_range(tf: Any, image: Any) -> None:  # noqa: ARG001 -- of the kind of the others
    tf.range(0, 2**31 - 1, tf.identity(1))


def every_pair(tf: Any, image: Any) -> None:
    flat = tf.reshape(image, [1, -1])
    tf.transpose(flat) * flat


def huge_window(tf: Any, image: Any) -> None:
    weights = tf.fill([256, 256, 3, 4], 1.0)
    for _ in range(10):
        image = tf.nn.conv2d(image, weights, 1, "SAME")[..., :3]


def many_nodes(tf: Any, image: Any) -> None:  # noqa: ARG001 -- of the kind of the others
    for _ in range(80):
        tf.fill([1_000_000], 1.0)


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (doubling, "makes (1, 16384, 64, 3) of a picture of 64 x 64; no network does"),
        (huge_tile, "of a picture of 64 x 64; no network does"),
        (huge_range, "gives 1 to 1000000 numbers"),
        (every_pair, "of a picture of 64 x 64; no network does"),
        (huge_window, "takes more memory or time for a picture of 64 x 64 than any network"),
        (many_nodes, "takes more memory or time for a picture of 64 x 64 than any network"),
    ],
)
def test_bombs(build: Callable[[Any, Any], Any], rule: str) -> None:
    assert rule in problem(bomb(build))


def rows_times_columns(tf: Any, image: Any) -> None:
    shape = tf.shape(image)
    tf.tile(image, [1, shape[1] // 32, shape[2] // 32, 1])


def huge_fill(tf: Any, image: Any) -> None:
    shape = tf.shape(image)
    tf.fill([shape[1] * shape[2] // 8, shape[1] * 8], 1.0)


def many_at_a_time(tf: Any, image: Any) -> None:
    """Keep twenty pictures of 30 channels, each made of the image, until all are there."""
    kept = [tf.tile(image, [1, 1, 1, 10]) + float(n) for n in range(20)]
    total = kept[-1]
    for picture in kept[:-1]:
        total = tf.nn.relu(total) * tf.nn.relu(picture)


def none_of_one_row(tf: Any, image: Any) -> None:
    shape = tf.shape(image)
    tf.range(100) // (shape[1] - 63)


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (rows_times_columns, "of a picture of 1280 x 1024; no network does"),
        (huge_fill, "of a picture of 1280 x 1024; no network does"),
        (many_at_a_time, "takes more memory for a picture of 1280 x 1024 than any network"),
    ],
)
def test_bombs_that_only_a_larger_picture_lights(
    build: Callable[[Any, Any], Any], rule: str
) -> None:
    data = bomb(build)
    check(data)

    with pytest.raises(GraphError, match=rule):
        check(data, 1024, 1280)


def test_what_fits_one_size_of_pictures_need_not_fit_another() -> None:
    data = bomb(none_of_one_row)
    check(data)

    with pytest.raises(GraphError, match="a known integer above 0 as divisor"):
        check(data, 63, 64)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (67, 101), (480, 640), (4000, 8000)])
def test_deeplabcuts_networks_take_pictures_of_any_size(height: int, width: int) -> None:
    check(BUILT_IN_GRAPH.read_bytes(), height, width)
