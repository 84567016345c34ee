"""The graphs that a runtime is given: only arithmetic, with shapes by the picture's size alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from engine.inference.graph import GraphError, check_operations, read_graph
from tests.exports import BUILT_IN_GRAPH
from tests.fuzz.graphs import small_network
from tests.shared import MODELS, needs_shared


def problem(data: bytes) -> str:
    with pytest.raises(GraphError) as raised:
        check(data)
    message = str(raised.value)
    assert message.isprintable()
    assert len(message) < 500
    return message


def check(data: bytes) -> None:
    check_operations(read_graph(io.BytesIO(data)))


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


def add_twin(graph: Any) -> None:
    graph.node.add().CopyFrom(graph.node[-2])


def test_two_nodes_of_one_name_are_refused() -> None:
    assert "two nodes of the same name" in problem(changed(add_twin))


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
        (repeat_last_value, "more than 64 MiB"),
        (cut_data, "its data are of another size"),
        (change_type(7), "has data of type 7, no numbers"),
    ],
    ids=range(8),
)
def test_constants_that_lie(change: Callable[[Any], None], rule: str) -> None:
    assert rule in problem(changed(change))


def test_functions_are_refused() -> None:
    def change(graph: Any) -> None:
        graph.library.function.add().signature.name = "f"

    assert "holds functions of its own" in problem(changed(change))


def graph_of(build: Callable[[Any, Any], Any]) -> bytes:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        build(tf, tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], "Placeholder"))
    return bytes(graph.as_graph_def().SerializeToString())


def brightest(tf: Any, image: Any) -> Any:
    return tf.cast(tf.reduce_max(image), tf.int32)


SHAPES_OF_CONTENT: list[Callable[[Any, Any], Any]] = [
    lambda tf, image: tf.range(brightest(tf, image)),
    lambda tf, image: tf.fill([2, brightest(tf, image) * 10**6], 1.0),
    lambda tf, image: tf.tile(image, [1, 1, 1, brightest(tf, image)]),
    lambda tf, image: tf.pad(image, [[0, 0], [0, brightest(tf, image)], [0, 0], [0, 0]]),
    lambda tf, image: tf.reshape(image, [brightest(tf, image), -1]),
    lambda tf, image: image[:, : brightest(tf, image)],
    lambda tf, image: tf.image.resize(image, [brightest(tf, image), 8]),
    lambda tf, image: tf.reduce_mean(image, brightest(tf, image)),
    lambda tf, image: tf.concat([image, image], brightest(tf, image)),
    lambda tf, image: tf.nn.conv2d_transpose(
        image, tf.ones([3, 3, 4, 3]), tf.stack([1, brightest(tf, image), 9, 4]), 2
    ),
]


@pytest.mark.parametrize("build", SHAPES_OF_CONTENT, ids=range(len(SHAPES_OF_CONTENT)))
def test_shapes_that_depend_on_what_is_in_a_picture_are_refused(
    build: Callable[[Any, Any], Any],
) -> None:
    assert "depends on what is in the picture" in problem(graph_of(build))


def test_shapes_may_depend_on_the_size_of_a_picture() -> None:
    check(graph_of(lambda tf, image: tf.fill([tf.shape(image)[1], 3], tf.reduce_max(image))))


@pytest.mark.parametrize(
    "build",
    [
        lambda tf, image: 5 // tf.shape(image)[1],
        lambda tf, image: 5 % brightest(tf, image),
        lambda tf, image: tf.shape(image) // tf.constant([1, 0, 1, 1]),
    ],
    ids=["a size", "a brightness", "zero"],
)
def test_integers_are_divided_by_constants_other_than_zero_alone(
    build: Callable[[Any, Any], Any],
) -> None:
    assert "divides integers by what may be zero" in problem(graph_of(build))


def test_division_by_a_constant_and_of_other_numbers_passes() -> None:
    check(graph_of(lambda tf, image: tf.shape(image) // 2))
    check(graph_of(lambda _, image: image / (image - image)))
