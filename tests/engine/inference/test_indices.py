"""OpenVINO takes no element that is not there, whatever the indices."""

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from openvino import opset13 as ops

from engine.inference.openvino import cpu_core
from engine.inference.openvino_network import limit_indices

ROWS, COLUMNS, NUM_INDICES = 5, 7, 3
DATA = np.arange(1, ROWS * COLUMNS + 1, dtype=np.float32).reshape(ROWS, COLUMNS)
ANYWHERE = st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 8)


def network(operation: str, depth: int, dtype: type = np.int32) -> ov.CompiledModel:
    """Compile a network that takes elements of a table by indices of its first axes."""
    data = ops.parameter([ROWS, COLUMNS], np.float32)
    indices = ops.parameter([NUM_INDICES, depth], dtype)
    if operation == "GatherND":
        taken = ops.gather_nd(data, indices)
    else:
        taken = ops.gather(data, indices, ops.constant(0))
    model = ov.Model([taken], [data, indices])
    limit_indices(model)
    return cpu_core().compile_model(model, "CPU")


@pytest.fixture(scope="module")
def gather_nd() -> dict[int, ov.CompiledModel]:
    return {depth: network("GatherND", depth) for depth in (1, 2)}


@given(depth=st.sampled_from([1, 2]), drawn=st.lists(ANYWHERE, min_size=6, max_size=6))
def test_an_index_beyond_its_tensor_is_that_of_its_edge(
    gather_nd: dict[int, ov.CompiledModel], depth: int, drawn: list[int]
) -> None:
    indices = np.array(drawn[: NUM_INDICES * depth], np.int32).reshape(NUM_INDICES, depth)

    taken = gather_nd[depth]([DATA, indices])[0]

    np.testing.assert_array_equal(taken, expected(indices))


def expected(indices: NDArray[np.int32]) -> NDArray[np.float32]:
    limited = np.clip(indices, 0, np.array(DATA.shape[: indices.shape[1]]) - 1)
    return np.asarray(DATA[tuple(limited.T)])


@pytest.mark.parametrize("index", [-(2**62), -9, ROWS, 2**62])
def test_indices_of_64_bits_lead_to_an_element_too(index: int) -> None:
    taken = network("GatherND", 1, np.int64)([DATA, np.array([[index], [1], [index]])])[0]

    np.testing.assert_array_equal(taken[1], DATA[1])
    assert taken[0].tolist() in DATA.tolist()  # some are cut to 32 bits first
    assert taken[2].tolist() in DATA.tolist()


@pytest.mark.parametrize("index", [-(2**31), -ROWS - 1, ROWS, 10**6, 2**31 - 1])
def test_gather_which_is_not_limited_gives_zeros_beyond(index: int) -> None:
    taken = network("Gather", 1)([DATA, np.array([[index], [1], [index]], np.int32)])[0]

    np.testing.assert_array_equal(taken[:, 0], [np.zeros(COLUMNS), DATA[1], np.zeros(COLUMNS)])
