"""The oracle is TensorFlow's own reading of the graph."""

import pytest

from engine.inference.graph import GraphNode, read_graph
from tests.exports import BUILT_IN_GRAPH, graph_of


def test_nodes_of_the_built_in_model_are_those_that_tensorflow_reads() -> None:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    data = BUILT_IN_GRAPH.read_bytes()
    theirs = GraphDef.FromString(data).node

    assert len(theirs) > 100
    assert read_graph(data) == [
        GraphNode(node.name, node.op, node.attr["is_training"].b) for node in theirs
    ]


def test_batch_normalisation_in_training_mode_is_seen() -> None:
    operations = [("a", "FusedBatchNormV3"), ("b", "FusedBatchNormV3"), ("c", "Relu6")]

    nodes = read_graph(graph_of(operations, is_training=["b"]))

    assert [node.is_training for node in nodes] == [False, True, False]


def test_an_empty_file_is_a_graph_without_nodes() -> None:
    assert read_graph(b"") == []


@pytest.mark.parametrize("data", [b"no graph at all", BUILT_IN_GRAPH.read_bytes()[:100_000]])
def test_what_is_no_graph_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a TensorFlow graph"):
        read_graph(data)
