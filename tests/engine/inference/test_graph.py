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
