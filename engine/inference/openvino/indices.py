"""A limit for indices, beyond which a network would read memory that is not its own.

OpenVINO's GatherND takes what lies at an index, without a look at whether its tensor reaches that
far. An index that depends on the picture could lead anywhere in the process. All other operations
with indices look first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops


def limit_indices(network: ov.Model) -> None:
    """Hold indices within the tensors that they are for, in place.

    Those that are within stay as they are, and so does what a network of DeepLabCut's gives.

    Parameters
    ----------
    network
        Its input has a fixed shape.

    Raises
    ------
    RuntimeError
        If the shape of such a tensor depends on what is in a picture.
    """
    for layer in network.get_ordered_ops():
        if layer.get_type_name() == "GatherND":
            _limit(layer)
    network.validate_nodes_and_infer_types()


def _limit(layer: Any) -> None:
    indices = layer.input_value(1)
    lengths = layer.get_input_shape(0)
    num_axes = layer.get_input_shape(1)[-1]
    dtype = indices.get_element_type().to_dtype()
    highest = np.array([length - 1 for length in lengths[:num_axes]], dtype)
    limited = ops.minimum(ops.maximum(indices, ops.constant(np.zeros(1, dtype))), highest)
    layer.input(1).replace_source_output(limited.output(0))
