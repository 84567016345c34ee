"""The operations that frozen networks of DeepLabCut are made of, and the shapes of what they give.

ResNets, MobileNets and EfficientNets of DeepLabCut 2 hold some forty operations of TensorFlow's
thirteen hundred. Arithmetic and changes of shape beside them are let through; whatever reads,
writes, remembers, branches or calls is not. Shapes and the values of small integers are followed
through the graph, as TensorFlow's documentation of its operations defines them, so that neither
runtime meets dimensions that do not fit, nor one that takes all memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.inference.checking import elementwise, enlarging, reshaping, windows
from engine.inference.checking.call import Call, Tensor

Rule = Callable[[Call], Tensor | list[Tensor]]


@dataclass(frozen=True)
class Operation:
    """An operation of TensorFlow's.

    Attributes
    ----------
    inputs
        What it takes, in the words of TensorFlow's definitions: the attribute that tells the data
        type, or the type itself; ``N*`` before it for as many as the attribute N says.
    rule
        Tells what comes out.
    """

    inputs: tuple[str, ...]
    rule: Rule


def _operations() -> dict[str, Operation]:
    kinds: list[tuple[str, str, Rule]] = [
        ("Placeholder Const", "", elementwise.of_same),
        ("Identity StopGradient", "T", elementwise.of_same),
        ("IdentityN", "*", elementwise.of_several),
        ("Relu Relu6 LeakyRelu Elu Selu Sigmoid Tanh Softplus", "T", elementwise.of_unary),
        ("Exp Log Sqrt Rsqrt Square Neg Abs Ceil Floor Round", "T", elementwise.of_unary),
        ("Cast", "SrcT", elementwise.of_cast),
        (" ".join(elementwise.BINARY), "T T", elementwise.of_binary),
        ("BiasAdd", "T T", windows.of_bias),
        ("Conv2D DepthwiseConv2dNative", "T T", windows.of_convolution),
        ("Conv2DBackpropInput", "int32 T T", windows.of_transposed_convolution),
        ("FusedBatchNorm", "T T T T T", windows.of_normalisation),
        ("FusedBatchNormV2 FusedBatchNormV3", "T U U U U", windows.of_normalisation),
        ("MaxPool AvgPool", "T", windows.of_pool),
        ("Mean Sum Max Min Prod", "T Tidx", elementwise.of_reduction),
        ("ArgMax", "T Tidx", elementwise.of_largest),
        ("Shape", "T", reshaping.of_shape),
        ("Reshape", "T Tshape", reshaping.of_reshape),
        ("Squeeze", "T", reshaping.of_squeeze),
        ("ExpandDims", "T Tdim", reshaping.of_expand),
        ("Transpose", "T Tperm", reshaping.of_transpose),
        ("Pack", "N*T", reshaping.of_pack),
        ("ConcatV2", "N*T Tidx", reshaping.of_concat),
        ("StridedSlice", "T Index Index Index", reshaping.of_strided_slice),
        ("GatherV2", "Tparams Tindices Taxis", reshaping.of_gather),
        ("GatherNd", "Tparams Tindices", reshaping.of_gather_nd),
        ("Range", "Tidx Tidx Tidx", reshaping.of_range),
        ("UnravelIndex", "Tidx Tidx", reshaping.of_unravel),
        ("Pad", "T Tpaddings", enlarging.of_pad),
        ("SpaceToBatchND", "T Tblock_shape Tpaddings", enlarging.of_space_to_batch),
        ("BatchToSpaceND", "T Tblock_shape Tcrops", enlarging.of_batch_to_space),
        ("ResizeBilinear ResizeNearestNeighbor", "T int32", enlarging.of_resize),
        ("Tile", "T Tmultiples", enlarging.of_tile),
        ("Fill", "index_type T", enlarging.of_fill),
    ]
    return {
        name: Operation(tuple(inputs.split()), rule)
        for names, inputs, rule in kinds
        for name in names.split()
    }


OPERATIONS = _operations()
_ATTRIBUTES = {
    "type": "T SrcT DstT U Tidx Tshape Tdim Tperm Index Tparams Tindices Taxis Tpaddings "
    "Tblock_shape Tcrops Tmultiples index_type dtype output_type out_type",
    "list": "strides dilations ksize explicit_paddings squeeze_dims",
    "i": "N axis batch_dims begin_mask end_mask ellipsis_mask new_axis_mask shrink_axis_mask",
    "s": "data_format padding bad_indices_policy",
    "b": "Truncate use_cudnn_on_gpu is_training keep_dims align_corners half_pixel_centers",
    "f": "epsilon exponential_avg_factor alpha",
    "shape": "shape",
    "tensor": "value",
}
ATTRIBUTE_KINDS = {name: kind for kind, names in _ATTRIBUTES.items() for name in names.split()}
