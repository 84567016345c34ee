"""The oracle is TensorFlow's own reading of the graph."""

import io
from typing import Any

import pytest

from engine.inference.graph import GraphError, GraphNode, read_graph
from tests.exports import BUILT_IN_GRAPH, graph_of


def described(node: GraphNode) -> tuple[Any, ...]:
    names = sorted(node.attributes)
    return node.name, node.operation, node.inputs, names, normalises_by_its_batch(node)


def normalises_by_its_batch(node: GraphNode) -> bool:
    return node.attributes.get("is_training") is True


def test_nodes_of_the_built_in_model_are_those_that_tensorflow_reads() -> None:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    data = BUILT_IN_GRAPH.read_bytes()
    theirs = GraphDef.FromString(data).node

    assert len(theirs) > 100
    assert [described(node) for node in read_graph(io.BytesIO(data))] == [
        (node.name, node.op, tuple(node.input), sorted(node.attr), node.attr["is_training"].b)
        for node in theirs
    ]


def test_batch_normalisation_in_training_mode_is_seen() -> None:
    operations = [("a", "FusedBatchNormV3"), ("b", "FusedBatchNormV3"), ("c", "Relu6")]

    nodes = read_graph(io.BytesIO(graph_of(operations, is_training=["b"])))

    assert [normalises_by_its_batch(node) for node in nodes] == [False, True, False]


def test_an_empty_file_is_a_graph_without_nodes() -> None:
    assert read_graph(io.BytesIO()) == []


@pytest.mark.parametrize("data", [b"no graph at all", BUILT_IN_GRAPH.read_bytes()[:100_000]])
def test_what_is_no_graph_is_refused(data: bytes) -> None:
    with pytest.raises(GraphError, match="not a frozen TensorFlow graph"):
        read_graph(io.BytesIO(data))


def test_of_several_values_of_an_attribute_the_last_counts() -> None:
    """A message that is given twice is merged, unless another member stands between the two."""
    from tensorflow.core.framework.attr_value_pb2 import AttrValue
    from tensorflow.core.framework.graph_pb2 import GraphDef

    small, large = AttrValue(), AttrValue()
    small.tensor.tensor_shape.dim.add(size=0)
    large.tensor.tensor_shape.dim.add(size=2**40)
    small.tensor.dtype = large.tensor.dtype = 1
    value = b"".join(each.SerializeToString() for each in (small, AttrValue(i=5), large))
    entry = b"\x0a\x05value\x12" + bytes([len(value)]) + value
    node = b"\x0a\x01c\x12\x05Const\x2a" + bytes([len(entry)]) + entry
    data = b"\x0a" + bytes([len(node)]) + node

    (theirs,) = GraphDef.FromString(data).node
    assert [each.size for each in theirs.attr["value"].tensor.tensor_shape.dim] == [2**40]
    with pytest.raises(GraphError, match=r"constant 'c' claims the shape \(1099511627776,\)"):
        read_graph(io.BytesIO(data))


def test_more_nodes_than_any_network_has_are_refused() -> None:
    data = graph_of([("a", "Const")]) * 20_001
    with pytest.raises(GraphError, match="has more than 20000 nodes"):
        read_graph(io.BytesIO(data))


def test_a_node_with_more_inputs_than_any_has_is_refused() -> None:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.node.add(name="a", op="Pack", input=["a"] * 1001)
    with pytest.raises(GraphError, match="more than 1000 inputs"):
        read_graph(io.BytesIO(graph.SerializeToString()))
